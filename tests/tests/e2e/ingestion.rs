//! From an agent's result to rows: at once, later, never twice, and what is given up (fleet.md §6.9, D4, D-78).
//!
//! Of fleet.md A11, 144–147, 158, 160–164, 171, 173 and 174 are about a connection to Elasticsearch and
//! do not apply: results are rows of our own database. What a failure of the store is, is a trigger here.

use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{
    Agent, Answer, App, Person,
    agent::{Outcome, Work},
    application::CRON_SECRET,
    executables::executable,
};

const ORG: &str = "org-1";
const TEST: &str = "3d7c0a52-6f0d-4a38-8a0e-0d7c4d9f6b11";

async fn fleet(app: &App) -> Agent {
    app.admin(ORG).upload_build(TEST, &executable(b"a test")).await;
    app.enroll(ORG).await
}

fn body(task: &str, exit_code: i64) -> Value {
    json!({
        "task_id": task, "test_uuid": TEST, "exit_code": exit_code, "stdout": "out", "stderr": "",
        "started_at": "", "completed_at": "", "execution_duration_ms": 4120, "binary_sha256": "a".repeat(64),
        "hostname": "ws-0417", "os": "linux", "arch": "amd64",
    })
}

fn control(id: &str, exit_code: i64) -> Value {
    json!({
        "control_id": id, "control_name": format!("Control {id}"), "validator": "Defender", "exit_code": exit_code,
        "compliant": true, "severity": "critical", "category": "cyber-hygiene", "subcategory": "baseline",
        "techniques": ["T1562.001"], "tactics": ["defense-evasion"], "expected": "on", "actual": "on", "details": "",
        "skipped": false, "error_message": "",
    })
}

fn bundle(controls: &[Value]) -> Value {
    json!({
        "schema_version": "1.0", "bundle_id": TEST, "bundle_name": "Baseline", "bundle_category": "cyber-hygiene",
        "bundle_subcategory": "baseline", "execution_id": "x1", "started_at": "", "completed_at": "",
        "overall_exit_code": 101, "total_controls": controls.len(), "passed_controls": 1, "failed_controls": 1,
        "controls": controls,
    })
}

/// A test that the agent is running.
async fn running(app: &App, agent: &Agent) -> String {
    let order = json!({
        "test_uuid": TEST, "test_name": "LSASS read", "binary_name": TEST, "target_index": "achilles-results-lab",
        "metadata": {
            "category": "mitre-top10", "subcategory": "credentials", "severity": "high", "techniques": ["T1003.001"],
            "tactics": ["credential-access"], "threat_actor": "APT29", "target": ["windows-endpoint"],
            "complexity": "low", "tags": ["a"], "score": 7.5, "integrations": [],
        },
    });
    let id = app.admin(ORG).order("", agent.id(), &order).await;
    let sql = "UPDATE tasks SET status = 'executing', assigned_at = created_at WHERE id = ?1";
    app.database().execute(sql, [&id]);
    id
}

async fn send(agent: &Agent, task: &str, body: &Value) -> Answer {
    agent.post(&format!("/api/agent/tasks/{task}/result"), body).send().await
}

/// Lets the store fail for the tasks that `which` says.
fn break_store(app: &App, which: &str) {
    let sql = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON results WHEN {which} BEGIN SELECT RAISE(ABORT, 'broken'); END"
    );
    app.database().execute(&sql, []);
}

fn mend_store(app: &App) {
    app.database().execute("DROP TRIGGER broken", []);
}

/// Lets the time of the next attempt come.
fn pass_waits(app: &App) {
    app.database().execute("UPDATE tasks SET next_ingest_at = 0 WHERE next_ingest_at > 0", []);
}

/// A completed test whose result could not be stored when it came.
async fn unstored(app: &App, agent: &Agent) -> String {
    let id = running(app, agent).await;
    break_store(app, "true");
    send(agent, &id, &body(&id, 126)).await.expect(200);
    mend_store(app);
    pass_waits(app);
    id
}

async fn ingest(app: &App) -> Value {
    app.get("/api/cron/ingestion").bearer(CRON_SECRET).send().await.expect(200).data()
}

fn tally(attempted: u32, succeeded: u32, failed: u32, permanently_failed: u32) -> Value {
    json!({
        "attempted": attempted, "succeeded": succeeded, "failed": failed, "permanentlyFailed": permanently_failed,
    })
}

/// `es_ingested` and `ingest_attempts`.
async fn flags(app: &App, id: &str) -> (Value, Value) {
    let task = app.admin(ORG).task(id).await;
    (task["es_ingested"].clone(), task["ingest_attempts"].clone())
}

fn document(app: &App, id: &str) -> Value {
    app.database().json("SELECT document FROM result_documents WHERE id = ?1", [id])
}

// B5 445, A11 148–150, A11 152, A11 170, A11 175, §9.4
#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_a_document_at_once() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = running(&app, &agent).await;
    send(&agent, &id, &body(&id, 126)).await.expect(200);
    assert_eq!(flags(&app, &id).await, (json!(1), json!(1)));
    let mut document = document(&app, &id);
    let at = document["routing"]["event_time"].take();
    assert_eq!(at, app.admin(ORG).task(&id).await["completed_at"]);
    assert_snapshot!(document, @r#"{"event":{"ERROR":126},"f0rtika":{"category":"mitre-top10","complexity":"low","error_name":"ExecutionPrevented","is_protected":true,"score":7.5,"severity":"high","subcategory":"credentials","tactics":["credential-access"],"tags":["a"],"target":["windows-endpoint"],"techniques":["T1003.001"],"test_name":"LSASS read","test_uuid":"3d7c0a52-6f0d-4a38-8a0e-0d7c4d9f6b11","threat_actor":"APT29"},"routing":{"event_time":null,"hostname":"ws-0417","oid":"org-1"}}"#);
    // A11 159
    let index: String = app.database().value("SELECT target_index FROM results", []);
    assert_eq!(index, "achilles-results-lab");
    assert_eq!(ingest(&app).await, tally(0, 0, 0, 0));
}

// A11 165–169, A11 172, A11 177, D-77, §9.5
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_a_document_per_control_and_a_skipped_one_does_not_count() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = running(&app, &agent).await;
    let mut skipped = control("CH-A-003", 126);
    skipped["skipped"] = json!(true);
    let mut result = body(&id, 101);
    let controls =
        [control("CH-A-001", 126), control("CH-A-002", 101), skipped, control("CH-A-004", 0)];
    result["bundle_results"] = bundle(&controls);
    send(&agent, &id, &result).await.expect(200);
    let first = document(&app, &format!("{id}::CH-A-001"));
    assert_eq!(first["f0rtika"]["test_uuid"], format!("{TEST}::CH-A-001"));
    assert_eq!(first["f0rtika"]["control_validator"], "Defender");
    assert_eq!(first["f0rtika"]["threat_actor"], "APT29");
    assert_eq!(first["f0rtika"]["techniques"], json!(["T1562.001"]));
    assert_eq!(first["f0rtika"]["is_bundle_control"], true);
    let outcomes = "SELECT group_concat(outcome || counts || is_protected) FROM (SELECT * FROM results ORDER BY id)";
    let outcomes: String = app.database().value(outcomes, []);
    assert_eq!(outcomes, "protected11,unprotected10,skipped00,inconclusive00");
    assert_eq!(flags(&app, &id).await, (json!(1), json!(1)));
}

// A11 151–157: each code is told apart.
#[tokio::test(flavor = "multi_thread")]
async fn every_code_has_its_name_and_outcome() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    for (code, name, outcome) in [
        (0, "NormalExit", "inconclusive"),
        (1, "BinaryNotRecognized", "contextual"),
        (101, "Unprotected", "unprotected"),
        (105, "FileQuarantinedOnExtraction", "protected"),
        (127, "QuarantinedOnExecution", "protected"),
        (999, "UnexpectedTestError", "error"),
        (42, "Unknown (42)", "inconclusive"),
        (-1, "Unknown (-1)", "inconclusive"),
        (3_221_225_477, "Unknown (3221225477)", "inconclusive"),
    ] {
        let id = running(&app, &agent).await;
        send(&agent, &id, &body(&id, code)).await.expect(200);
        let sql = "SELECT json_array(error_code, error_name, outcome) FROM results WHERE id = ?1";
        assert_eq!(app.database().json(sql, [&id]), json!([code, name, outcome]));
    }
}

// B5 446, D4 494
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_stored_is_taken_and_stored_later() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = running(&app, &agent).await;
    break_store(&app, "true");
    send(&agent, &id, &body(&id, 126)).await.expect(200);
    assert_eq!(flags(&app, &id).await, (json!(0), json!(1)));
    assert_eq!(ingest(&app).await, tally(0, 0, 0, 0), "it waits for its time");
    pass_waits(&app);
    assert_eq!(ingest(&app).await, tally(1, 0, 1, 0));
    assert_eq!(flags(&app, &id).await, (json!(0), json!(2)));
    mend_store(&app);
    pass_waits(&app);
    assert_eq!(ingest(&app).await, tally(1, 1, 0, 0));
    assert_eq!(flags(&app, &id).await, (json!(1), json!(3)));
    // D4 495
    assert_eq!(ingest(&app).await, tally(0, 0, 0, 0));
    assert_eq!(app.database().count("results"), 1);
}

// D4 493, B5 446: the path by which other schedulers call.
#[tokio::test(flavor = "multi_thread")]
async fn the_retry_of_other_schedulers_does_the_same() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = unstored(&app, &agent).await;
    let answer = app.get("/api/cron/retry-ingestion").bearer(CRON_SECRET).send().await;
    assert_snapshot!(answer.shown(&[]), @r#"
    200
    {"success":true,"data":{"attempted":1,"succeeded":1,"failed":0,"permanentlyFailed":0}}
    "#);
    assert_eq!(flags(&app, &id).await, (json!(1), json!(2)));
}

// D4 497
#[tokio::test(flavor = "multi_thread")]
async fn one_failure_hinders_nobody_else() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let ids =
        [unstored(&app, &agent).await, unstored(&app, &agent).await, unstored(&app, &agent).await];
    break_store(&app, &format!("new.task_id = '{}'", ids[1]));
    assert_eq!(ingest(&app).await, tally(3, 2, 1, 0));
    for (id, expected) in ids.iter().zip([1, 0, 1]) {
        assert_eq!(flags(&app, id).await.0, expected);
    }
}

// D4 498
#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_said_is_no_result_of_a_test() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await.running(|_| Outcome::of(0, "uid=0"));
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    assert!(matches!(agent.work().await, Work::Done { .. }));
    assert_eq!(flags(&app, &id).await, (json!(0), json!(0)));
    assert_eq!((ingest(&app).await, app.database().count("results")), (tally(0, 0, 0, 0), 0));
}

// D4 496, D-78
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_waits_for_a_person_of_its_organisation() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = unstored(&app, &agent).await;
    app.database().execute("UPDATE tasks SET ingest_attempts = 10", []);
    assert_eq!(ingest(&app).await, tally(0, 0, 0, 1));
    let retry = async |org: &str| {
        app.admin(org).post("/api/agent/admin/ingestion/retry", &json!({})).await.expect(200).data()
    };
    let reset = async |org: &str| {
        app.admin(org).post("/api/agent/admin/ingestion/reset", &json!({})).await.expect(200).data()
    };
    assert_eq!(retry("org-2").await, tally(0, 0, 0, 0));
    assert_eq!(reset("org-2").await, json!({ "reset": 0, "permanentlyFailed": 0 }));
    assert_eq!(retry(ORG).await, tally(0, 0, 0, 1));
    assert_eq!(reset(ORG).await, json!({ "reset": 1, "permanentlyFailed": 0 }));
    assert_eq!(reset(ORG).await, json!({ "reset": 0, "permanentlyFailed": 0 }));
    assert_eq!(retry("org-2").await, tally(0, 0, 0, 0), "it is nobody else's");
    assert_eq!(retry(ORG).await, tally(1, 1, 0, 0));
    assert_eq!(flags(&app, &id).await, (json!(1), json!(1)));
}

// §5.5: no body.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_needs_no_body() {
    let app = App::start().await;
    let token = Person::admin(ORG).token();
    for path in ["/api/agent/admin/ingestion/retry", "/api/agent/admin/ingestion/reset"] {
        app.post(path).bearer(&token).send().await.expect(200);
    }
}

// D-78, D-54 in spirit
#[tokio::test(flavor = "multi_thread")]
async fn many_runs_at_once_try_each_task_once() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = unstored(&app, &agent).await;
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 119)
                  INSERT INTO tasks (id, agent_id, org_id, type, status, ended_by, payload, result, completed_at,
                                     execution_timeout_seconds, ttl_seconds, created_at, expires_at, batch_id)
                  SELECT tasks.id || '-' || i, agent_id, org_id, type, status, ended_by, payload, result,
                         completed_at, execution_timeout_seconds, ttl_seconds, created_at, expires_at, batch_id
                    FROM tasks, n";
    app.database().execute(copies, []);
    break_store(&app, &format!("new.task_id = '{id}-7'"));
    let runs = join_all((0..6).map(|_| ingest(&app))).await;
    let total = |what: &str| runs.iter().map(|it| it[what].as_u64().unwrap()).sum::<u64>();
    assert_eq!(["attempted", "succeeded", "failed"].map(total), [120, 119, 1], "{runs:?}");
    assert_eq!(app.database().count("results"), 119);
    assert_eq!(app.database().count("tasks WHERE ingest_attempts > 2"), 0);
}

// D-57, D-25: neither the clock nor the words of an agent choose where its result goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_chooses_neither_time_nor_organisation() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    for completed_at in ["1999-12-31T23:59:59Z", "2999-12-31T23:59:59Z", "now", "", "1e400"] {
        let id = running(&app, &agent).await;
        let mut result = body(&id, 101);
        result["completed_at"] = json!(completed_at);
        result["org_id"] = json!("org-2");
        result["test_uuid"] = json!("another test");
        send(&agent, &id, &result).await.expect(200);
        let document = document(&app, &id);
        let task = app.admin(ORG).task(&id).await;
        assert_eq!(document["routing"]["event_time"], task["completed_at"], "{completed_at}");
        assert_eq!(document["routing"]["oid"], ORG);
        assert_eq!(document["f0rtika"]["test_uuid"], TEST);
    }
}

// D-57
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_none_of_results_is_not_kept() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    for name in [".security", "*", "achilles-results-*", ""] {
        let id = running(&app, &agent).await;
        app.database().execute("UPDATE tasks SET target_index = ?2 WHERE id = ?1", (&id, name));
        send(&agent, &id, &body(&id, 0)).await.expect(200);
        let kept: Option<String> =
            app.database().value("SELECT target_index FROM results WHERE id = ?1", [&id]);
        assert_eq!(kept, None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_become_bounded_rows_or_a_refusal() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    for text in tests::hostile::texts() {
        app.database().end_windows();
        let id = running(&app, &agent).await;
        let mut hostile = control(&text, 101);
        hostile["control_name"] = json!(text);
        hostile["techniques"] = json!([text, text]);
        let mut result = body(&id, 101);
        result["hostname"] = json!(text);
        result["bundle_results"] = bundle(&[hostile]);
        send(&agent, &id, &result).await.expect(200);
        assert_eq!(flags(&app, &id).await.0, 1);
    }
    let longest = "SELECT max(length(id) + length(hostname) + length(test_name) + length(techniques)) FROM results";
    assert!(app.database().value::<i64>(longest, []) < 8192);
    // Every one of them can be read back.
    let documents = "SELECT count(*) FROM result_documents WHERE NOT json_valid(document)";
    assert_eq!(app.database().value::<i64>(documents, []), 0);
    for raw in [r#""\ud800""#, "1e400", "[1]", r#"{"a":1}"#] {
        let id = running(&app, &agent).await;
        let text = body(&id, 101).to_string().replace("\"ws-0417\"", raw);
        let path = format!("/api/agent/tasks/{id}/result");
        agent.request(http::Method::POST, &path).raw_body(text).send().await.expect(400);
        assert_eq!(app.database().count(&format!("results WHERE task_id = '{id}'")), 0);
    }
}

// Larger than an agent waits for; the next run does it.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_bundle_is_left_to_the_next_run() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    let id = running(&app, &agent).await;
    let controls: Vec<_> = (0..5000).map(|n| control(&format!("C-{n:05}"), 126)).collect();
    let mut result = body(&id, 101);
    result["bundle_results"] = bundle(&controls);
    send(&agent, &id, &result).await.expect(200);
    assert_eq!(flags(&app, &id).await, (json!(0), json!(0)));
    assert_eq!(ingest(&app).await, tally(1, 1, 0, 0));
    assert_eq!(app.database().count("results WHERE outcome = 'protected'"), 5000);
}

// A11 176, A11 178, A11 179
#[tokio::test(flavor = "multi_thread")]
async fn storing_again_changes_no_number_of_rows() {
    let app = App::start().await;
    let agent = fleet(&app).await;
    for _ in 0..2 {
        let id = running(&app, &agent).await;
        let mut result = body(&id, 101);
        result["bundle_results"] = bundle(&[control("a", 126), control("b", 101)]);
        send(&agent, &id, &result).await.expect(200);
    }
    app.database().execute("UPDATE tasks SET ingested = 0", []);
    assert_eq!(ingest(&app).await, tally(2, 2, 0, 0));
    assert_eq!(app.database().count("results"), 4);
    assert_eq!(app.database().value::<i64>("SELECT count(DISTINCT test_uuid) FROM results", []), 2);
}

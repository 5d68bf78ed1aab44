//! Results: every shape that real agents send, however late or however often, and none is lost.

use std::time::Duration;

use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{
    Agent, Answer, App,
    agent::{Outcome, Submitted, Verdict, When, Work},
    executables::executable,
};

const ORG: &str = "org-1";
const TEST: &str = "3d7c0a52-6f0d-4a38-8a0e-0d7c4d9f6b11";

fn body(task: &str) -> Value {
    json!({
        "task_id": task, "test_uuid": TEST, "exit_code": 126, "stdout": "out", "stderr": "err",
        "started_at": "2026-07-11T09:20:40Z", "completed_at": "2026-07-11T09:20:44Z", "execution_duration_ms": 4120,
        "binary_sha256": "a".repeat(64), "hostname": "ws-0417", "os": "linux", "arch": "amd64",
    })
}

async fn send(agent: &Agent, task: &str, body: &Value) -> Answer {
    agent.post(&format!("/api/agent/tasks/{task}/result"), body).send().await
}

/// A command that the agent is running.
async fn running(app: &App, agent: &Agent) -> String {
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    app.database().execute(
        "UPDATE tasks SET status = 'executing', assigned_at = created_at WHERE id = ?1",
        [&id],
    );
    id
}

// A2 29, A14 260, §9.4
#[tokio::test(flavor = "multi_thread")]
async fn a_result_completes_its_task() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    let answer = send(&agent, &id, &body(&id)).await;
    assert_snapshot!(answer.shown(&["f0-task-state", "ratelimit-policy", "ratelimit-limit"]), @r#"
    200
    f0-task-state: (absent)
    ratelimit-policy: 300;w=60
    ratelimit-limit: 300
    {"success":true,"data":{"id":"[uuid]","agent_id":"[uuid]","org_id":"org-1","type":"execute_command","priority":1,"status":"completed","payload":{"test_uuid":"","test_name":"","binary_name":"","binary_sha256":"","binary_size":0,"execution_timeout":300,"arguments":[],"metadata":{"category":"","subcategory":"","severity":"","techniques":[],"tactics":[],"threat_actor":"","target":[],"complexity":"","tags":[],"score":null,"integrations":[]},"command":"id"},"result":{"task_id":"[uuid]","test_uuid":"","exit_code":126,"stdout":"out","stderr":"err","started_at":"[instant]","completed_at":"[instant]","execution_duration_ms":4120,"binary_sha256":"[sha256]","hostname":"ws-0417","os":"linux","arch":"amd64"},"created_at":"[instant]","assigned_at":"[instant]","completed_at":"[instant]","ttl":604800,"created_by":"user_admin","notes":null,"notes_history":[],"target_index":null,"batch_id":"[uuid]","retry_count":0,"max_retries":2,"original_task_id":null,"es_ingested":0,"ingest_attempts":0,"last_ingest_attempt_at":null,"agent_hostname":null,"late":false,"notes_count":0}}
    "#);
    let (kind, details) = app.database().events(agent.id()).pop().unwrap();
    assert_eq!(kind, "task_completed");
    assert_eq!(details, json!({ "task_id": id, "task_type": "execute_command" }));
}

// B5 431, A14 263
#[tokio::test(flavor = "multi_thread")]
async fn a_second_result_is_acknowledged_and_changes_nothing() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    send(&agent, &id, &body(&id)).await.expect(200);
    let mut other = body(&id);
    other["exit_code"] = json!(101);
    let again = send(&agent, &id, &other).await.expect(200);
    assert_eq!(again.json()["idempotent"], true);
    assert_eq!(again.header("f0-task-state"), Some("terminal-idempotent"));
    assert_eq!(again.data()["result"]["exit_code"], 126);
    assert_eq!(app.admin(ORG).task(&id).await["result"]["exit_code"], 126);
}

// D-68: who may say it again, but not so often, is no stranger.
#[tokio::test(flavor = "multi_thread")]
async fn a_farewell_over_its_budget_is_put_off() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    app.database().execute("UPDATE tasks SET type = 'uninstall'", []);
    send(&agent, &id, &body(&id)).await.expect(200);
    send(&agent, &id, &body(&id)).await.expect(200);
    app.database().execute("UPDATE agents SET results_used = 300", []);
    let late = send(&agent, &id, &body(&id)).await.expect(429);
    assert_eq!(late.header("ratelimit-limit"), Some("300"));
    let strangers = || app.database().count("agents WHERE rejected_since IS NOT NULL");
    assert_eq!(strangers(), 0);
    send(&agent, TEST, &body(TEST)).await.expect(401);
    assert_eq!(strangers(), 1);
    app.database().end_windows();
    send(&agent, &id, &body(&id)).await.expect(200);
    assert_eq!(strangers(), 0);
}

// B5 428, B5 434, A14 261
#[tokio::test(flavor = "multi_thread")]
async fn a_result_needs_a_task_that_was_begun() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    for (status, expected) in
        [("pending", 400), ("assigned", 400), ("downloading", 200), ("executing", 200)]
    {
        let id = app.admin(ORG).order_command(agent.id(), "id").await;
        app.database().execute(
            "UPDATE tasks SET status = ?2, assigned_at = created_at WHERE id = ?1",
            (&id, status),
        );
        let answer = send(&agent, &id, &body(&id)).await.expect(expected);
        if expected == 400 {
            assert_eq!(
                answer.error(),
                format!("Cannot submit result for task in status: {status}")
            );
        }
    }
}

// A2 30
#[tokio::test(flavor = "multi_thread")]
async fn a_result_has_an_integer_as_exit_code() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    for (exit_code, expected) in [
        (None, "exit_code: Invalid input: expected number, received undefined"),
        (Some(json!(null)), "exit_code: Invalid input: expected number, received null"),
        (Some(json!("0")), "exit_code: Invalid input: expected number, received string"),
        (Some(json!(1.5)), "exit_code: Invalid input: expected int, received number"),
    ] {
        let mut body = body(&id);
        body.as_object_mut().unwrap().remove("exit_code");
        if let Some(it) = exit_code {
            body["exit_code"] = it;
        }
        let error = send(&agent, &id, &body).await.expect(400).error();
        assert_eq!(error, format!("Validation failed: {expected}"));
    }
    assert_eq!(app.admin(ORG).task(&id).await["status"], "executing");
}

// §8.6
#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_of_every_system_are_taken() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    for exit_code in [0_i64, 1, -1, 101, 126, 255, 259, 999, 3_221_225_477, -1_073_741_819] {
        let id = running(&app, &agent).await;
        let mut body = body(&id);
        body["exit_code"] = json!(exit_code);
        let data = send(&agent, &id, &body).await.expect(200).data();
        assert_eq!(data["result"]["exit_code"], exit_code);
    }
}

// D-26, B5 435, §8.7
#[tokio::test(flavor = "multi_thread")]
async fn the_bare_result_of_an_update_is_completed_from_what_is_known() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    let id = admin.order_update(agent.id()).await;
    assert_eq!(
        agent.work().await,
        Work::Done { task_id: id.clone(), submitted: Submitted::Accepted }
    );
    let task = admin.task(&id).await;
    let result = &task["result"];
    assert_eq!(
        (&task["status"], &result["stdout"]),
        (&json!("completed"), &json!("already up to date"))
    );
    assert_eq!((&result["task_id"], &result["hostname"]), (&json!(id), &json!("ws-0417")));
    assert_eq!((&result["os"], &result["arch"]), (&json!("linux"), &json!("amd64")));
}

// D-27, B5 436
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_missing_lists_is_not_lost() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    let mut sent = body(&id);
    sent["bundle_results"] = json!({
        "schema_version": "1.0", "bundle_id": TEST, "bundle_name": "Baseline", "bundle_category": "cyber-hygiene",
        "bundle_subcategory": "baseline", "execution_id": "x1", "started_at": "a", "completed_at": "b",
        "overall_exit_code": 101, "total_controls": 2, "passed_controls": 1, "failed_controls": 1,
        "controls": [
            { "control_id": "CH-A-001", "control_name": "Real-time protection", "validator": "Defender",
              "exit_code": 126, "compliant": true, "severity": "critical", "category": "cyber-hygiene",
              "subcategory": "baseline", "techniques": null, "tactics": null, "expected": "on", "actual": "on",
              "details": null, "skipped": false, "error_message": "" },
            { "control_id": "CH-A-002", "exit_code": 101 },
        ],
    });
    let bundle =
        send(&agent, &id, &sent).await.expect(200).data()["result"]["bundle_results"].clone();
    assert_eq!(
        (&bundle["controls"][0]["techniques"], &bundle["controls"][0]["tactics"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(bundle["controls"][0]["details"], "");
    assert_eq!(
        (&bundle["controls"][1]["control_name"], &bundle["controls"][1]["techniques"]),
        (&json!(""), &json!([]))
    );

    let id = running(&app, &agent).await;
    sent["bundle_results"]["controls"] = json!(null);
    let bundle =
        send(&agent, &id, &sent).await.expect(200).data()["result"]["bundle_results"].clone();
    assert_eq!(bundle["controls"], json!([]));
}

// D-31
#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_filed_under_its_own_task() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    admin.upload_build(TEST, &executable(b"a test")).await;
    let id = admin.order_test(agent.id(), TEST).await;
    agent = agent.watched(|_| Box::pin(async { Verdict::Pass }));
    agent.get("/api/agent/tasks").send().await.expect(200);
    agent
        .patch(&format!("/api/agent/tasks/{id}/status"), &json!({ "status": "executing" }))
        .send()
        .await
        .expect(200);
    let mut sent = body("another task");
    sent["test_uuid"] = json!("another test");
    let result = send(&agent, &id, &sent).await.expect(200).data()["result"].clone();
    assert_eq!((&result["task_id"], &result["test_uuid"]), (&json!(id), &json!(TEST)));
}

// D-48, A14 264, A14 265 (decided: a result is worth more than our giving up)
#[tokio::test(flavor = "multi_thread")]
async fn a_late_result_is_taken_once() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    for (status, ended_by) in [("failed", "report"), ("failed", "sweep"), ("expired", "sweep")] {
        let id = running(&app, &agent).await;
        let sql =
            "UPDATE tasks SET status = ?2, ended_by = ?3, completed_at = created_at WHERE id = ?1";
        app.database().execute(sql, (&id, status, ended_by));
        let answer = send(&agent, &id, &body(&id)).await.expect(200);
        assert!(answer.json().get("idempotent").is_none(), "{status} by {ended_by}");
        let data = answer.data();
        assert_eq!(
            (&data["status"], &data["late"]),
            (&json!("completed"), &json!(true)),
            "{status} by {ended_by}"
        );
        let mut other = body(&id);
        other["exit_code"] = json!(0);
        let again = send(&agent, &id, &other).await.expect(200);
        assert_eq!(again.json()["idempotent"], true);
        assert_eq!(again.data()["result"]["exit_code"], 126);
    }
}

// D-48: never over a person.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_does_not_undo_a_cancellation() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    app.admin(ORG).cancel(&id).await.expect(200);
    let answer = send(&agent, &id, &body(&id)).await.expect(200);
    assert_eq!(answer.json()["idempotent"], true);
    assert_eq!(
        (&answer.data()["status"], &answer.data()["result"]),
        (&json!("expired"), &json!(null))
    );
}

// D-48: the whole story, as the agent lives it.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_survives_an_outage_of_the_server() {
    let app = App::start().await;
    let is_out = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let out = is_out.clone();
    let agent = app.enroll(ORG).await.running(|_| Outcome::of(126, "prevented"));
    let mut agent = agent.watched(move |moment| {
        let is_out = out.load(std::sync::atomic::Ordering::SeqCst);
        let fails = is_out && moment.is(When::BeforeRequest, &Method::POST, "/result");
        Box::pin(async move { if fails { Verdict::Status(503) } else { Verdict::Pass } })
    });
    let admin = app.admin(ORG);
    let id = admin.order_command(agent.id(), "id").await;
    assert_eq!(
        agent.work().await,
        Work::Done { task_id: id.clone(), submitted: Submitted::Queued }
    );
    assert_eq!(admin.task(&id).await["status"], "failed", "the agent gave up");
    assert_eq!(agent.disk.queued(), std::slice::from_ref(&id));

    // Its process may end: the queue is on disk.
    let mut agent = agent.restarted();
    is_out.store(false, std::sync::atomic::Ordering::SeqCst);
    agent.heartbeat().await;
    assert!(agent.disk.queued().is_empty());
    let task = admin.task(&id).await;
    assert_eq!(
        (&task["status"], &task["late"], &task["result"]["exit_code"]),
        (&json!("completed"), &json!(true), &json!(126))
    );
}

// A lost answer is followed by the same result again.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_whose_answer_was_lost_is_stored_once() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await.watched(|moment| {
        let is_lost = moment.attempt == 1 && moment.is(When::AfterAnswer, &Method::POST, "/result");
        Box::pin(async move { if is_lost { Verdict::Cut } else { Verdict::Pass } })
    });
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    assert_eq!(
        agent.work().await,
        Work::Done { task_id: id.clone(), submitted: Submitted::Accepted }
    );
    let task = app.admin(ORG).task(&id).await;
    assert_eq!((&task["status"], &task["late"]), (&json!("completed"), &json!(false)));
    assert_eq!(app.database().count("agent_events WHERE event_type = 'task_completed'"), 1);
}

// D-68
#[tokio::test(flavor = "multi_thread")]
async fn nothing_blocks_the_queue() {
    let app = App::start().await;
    let (mut agent, other) = (app.enroll(ORG).await, app.enroll(ORG).await);
    let foreign = running(&app, &other).await;
    let waiting = app.admin(ORG).order_command(agent.id(), "id").await;
    let good = running(&app, &agent).await;
    let entry =
        |task: &str, result: Value| json!({ "task_id": task, "result": result }).to_string();
    let unknown = "00000000-0000-4000-8000-000000000000";
    agent.disk.enqueue(unknown, &entry(unknown, body(unknown)));
    agent.disk.enqueue(&foreign, &entry(&foreign, body(&foreign)));
    agent.disk.enqueue(&waiting, &entry(&waiting, body(&waiting)));
    agent.disk.enqueue("00000000-0000-4000-8000-000000000001", "{ not json");
    let mut oversize = body(&good);
    oversize["stdout"] = json!("x".repeat(17 << 20));
    agent.disk.enqueue("00000000-0000-4000-8000-000000000002", &entry(&good, oversize));
    agent.disk.enqueue(&good, &entry(&good, body(&good)));
    agent.heartbeat().await;
    assert_eq!(agent.disk.queued(), Vec::<String>::new());
    assert_eq!(app.admin(ORG).task(&good).await["status"], "completed");
    assert_eq!(app.admin(ORG).task(&foreign).await["status"], "executing");
}

// D-68, §8.11.9: twice a mebibyte, each byte escaped to six.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_result_of_a_real_agent_is_taken() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    let mut sent = body(&id);
    sent["stdout"] = json!("\u{1}".repeat(1 << 20));
    sent["stderr"] = json!("\u{2}".repeat(1 << 20));
    assert!(sent.to_string().len() > 12 << 20);
    let data = send(&agent, &id, &sent).await.expect(200).data();
    assert_eq!(data["result"]["stdout"], sent["stdout"]);
    // Anything larger is refused in the way that agents understand as final.
    let id = running(&app, &agent).await;
    let mut sent = body(&id);
    sent["stdout"] = json!("x".repeat(17 << 20));
    assert_eq!(send(&agent, &id, &sent).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_with_nul_is_kept_in_a_readable_form() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = running(&app, &agent).await;
    let mut sent = body(&id);
    sent["stdout"] = json!("a\0b");
    let data = send(&agent, &id, &sent).await.expect(200).data();
    assert_eq!(data["result"]["stdout"], "a\u{fffd}b");
}

// A14 329
#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_a_test_leaves_the_agent_active() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await.running(|_| Outcome::of(101, ""));
    let admin = app.admin(ORG);
    admin.upload_build(TEST, &executable(b"a test")).await;
    admin.order_test(agent.id(), TEST).await;
    assert!(matches!(agent.work().await, Work::Done { .. }));
    assert_eq!(admin.agent(agent.id()).await["status"], "active");
}

// D-32, B5 444, D-83
#[tokio::test(flavor = "multi_thread")]
async fn a_test_binary_is_for_the_agent_that_is_to_run_it() {
    let app = App::start().await;
    let (agent, other) = (app.enroll(ORG).await, app.enroll(ORG).await);
    let admin = app.admin(ORG);
    let binary = executable(&vec![7; 3 << 20]);
    admin.upload_build(TEST, &binary).await;
    let path = format!("/api/agent/binary/{TEST}?test_uuid={TEST}");
    let not_found = format!("Binary not found: {TEST}");
    assert_eq!(agent.get(&path).send().await.expect(404).error(), not_found, "without a task");

    let id = admin.order_test(agent.id(), TEST).await;
    let task = agent.get("/api/agent/tasks").send().await.expect(200).data();
    assert_eq!((&task["id"], &task["payload"]["binary_size"]), (&json!(id), &json!(binary.len())));
    let fetched = agent.get(&path).send().await.expect(200);
    assert!(fetched.body == binary, "{} bytes", fetched.body.len());
    let shown = ["content-type", "content-length", "content-disposition"]
        .map(|it| fetched.header(it).unwrap_or("(absent)"));
    let disposition = format!("attachment; filename=\"{TEST}\"");
    assert_eq!(shown, ["application/octet-stream", &binary.len().to_string(), &disposition]);

    assert_eq!(other.get(&path).send().await.expect(404).error(), not_found, "of another agent");
    let missing = agent.get(&format!("/api/agent/binary/{TEST}")).send().await.expect(400).error();
    assert_eq!(missing, "Missing required query parameter: test_uuid");
    agent
        .get("/api/agent/binary/x?test_uuid=00000000-0000-4000-8000-000000000000")
        .send()
        .await
        .expect(404);

    agent
        .patch(&format!("/api/agent/tasks/{id}/status"), &json!({ "status": "failed" }))
        .send()
        .await
        .expect(200);
    assert_eq!(
        agent.get(&path).send().await.expect(404).error(),
        not_found,
        "after the task has ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_given_up_leaves_the_server_well() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    let binary = executable(&vec![7; 8 << 20]);
    admin.upload_build(TEST, &binary).await;
    admin.order_test(agent.id(), TEST).await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    let path = format!("/api/agent/binary/{TEST}?test_uuid={TEST}");
    for _ in 0..5 {
        use http_body_util::BodyExt as _;
        let mut download = agent.get(&path).open().await.unwrap().into_body();
        assert!(download.frame().await.is_some());
        drop(download);
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        assert!(agent.get(&path).send().await.expect(200).body == binary);
    })
    .await
    .expect("the next download is answered");
}

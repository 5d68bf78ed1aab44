//! Tasks as agents see them: claimed by polls, reported on, stopped, and never run twice.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{
    Agent, Answer, App,
    agent::{Outcome, Submitted, Verdict, When, Work},
};

const ORG: &str = "org-1";
const UNKNOWN: &str = "8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11";

async fn poll(agent: &Agent) -> Answer {
    agent.get("/api/agent/tasks").send().await
}

/// The id of the task that a poll hands out, if any.
async fn polled(agent: &Agent) -> Option<String> {
    let answer = poll(agent).await;
    (answer.status == 200).then(|| answer.data()["id"].as_str().expect("an id").to_owned())
}

async fn report(agent: &Agent, task: &str, body: &Value) -> Answer {
    agent.patch(&format!("/api/agent/tasks/{task}/status"), body).send().await
}

async fn report_status(agent: &Agent, task: &str, status: &str) -> Answer {
    report(agent, task, &json!({ "status": status })).await
}

async fn report_result(agent: &Agent, task: &str) -> Answer {
    let body = json!({
        "task_id": task, "test_uuid": "", "exit_code": 0, "stdout": "done", "stderr": "",
        "started_at": "2026-07-11T09:20:40Z", "completed_at": "2026-07-11T09:20:44Z", "execution_duration_ms": 12,
        "binary_sha256": "", "hostname": "ws-0417", "os": "linux", "arch": "amd64",
    });
    agent.post(&format!("/api/agent/tasks/{task}/result"), &body).send().await
}

fn status(app: &App, task: &str) -> String {
    app.database().value("SELECT status FROM tasks WHERE id = ?1", [task])
}

/// Puts a task into a state, however it would have come there.
fn put(app: &App, task: &str, status: &str, ended_by: Option<&str>) {
    let sql = "UPDATE tasks SET status = ?2, ended_by = ?3, completed_at = iif(?3 IS NULL, NULL, created_at),
                      assigned_at = created_at, result = NULL, late = 0 WHERE id = ?1";
    assert_eq!(app.database().execute(sql, (task, status, ended_by)), 1);
}

// A2 25, A14 245
#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_an_empty_answer() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let answer = poll(&agent).await;
    assert_snapshot!(answer.shown(&["content-type", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining"]), @r"
    204
    content-type: (absent)
    ratelimit-policy: 30;w=60
    ratelimit-limit: 30
    ratelimit-remaining: 29
    ");
}

// A2 26, A14 244, A14 248, §4.4
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_hands_out_the_whole_task() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "whoami /all").await;
    let answer = poll(&agent).await;
    assert_eq!(answer.data()["id"], id);
    assert_snapshot!(answer.shown(&["content-type"]), @r#"
    200
    content-type: application/json; charset=utf-8
    {"success":true,"data":{"id":"[uuid]","agent_id":"[uuid]","org_id":"org-1","type":"execute_command","priority":1,"status":"assigned","payload":{"test_uuid":"","test_name":"","binary_name":"","binary_sha256":"","binary_size":0,"execution_timeout":300,"arguments":[],"metadata":{"category":"","subcategory":"","severity":"","techniques":[],"tactics":[],"threat_actor":"","target":[],"complexity":"","tags":[],"score":null,"integrations":[]},"command":"whoami /all"},"result":null,"created_at":"[instant]","assigned_at":"[instant]","completed_at":null,"ttl":604800,"created_by":"user_admin","notes":null,"notes_history":[],"target_index":null,"batch_id":"[uuid]","retry_count":0,"max_retries":2,"original_task_id":null,"es_ingested":0,"ingest_attempts":0,"last_ingest_attempt_at":null,"agent_hostname":null,"late":false,"notes_count":0}}
    "#);
    assert_eq!(status(&app, &id), "assigned");
}

// A14 246, A14 247
#[tokio::test(flavor = "multi_thread")]
async fn the_most_urgent_of_the_agents_own_tasks_comes_first() {
    let app = App::start().await;
    let (agent, other) = (app.enroll(ORG).await, app.enroll(ORG).await);
    let admin = app.admin(ORG);
    let command = |priority: u8| json!({ "command": "id", "priority": priority });
    let first = admin.order("/command", agent.id(), &command(1)).await;
    let second = admin.order("/command", agent.id(), &command(1)).await;
    app.database().age_task(&first, Duration::from_secs(1));
    let urgent = admin.order("/command", agent.id(), &command(10)).await;
    let foreign = admin.order("/command", other.id(), &command(10)).await;
    assert_eq!(polled(&agent).await, Some(urgent));
    assert_eq!(polled(&agent).await, Some(first));
    assert_eq!(polled(&agent).await, Some(second));
    assert_eq!(polled(&agent).await, None);
    assert_eq!(polled(&other).await, Some(foreign));
}

// §6.5
#[tokio::test(flavor = "multi_thread")]
async fn five_polls_at_once_share_three_tasks() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let mut ordered = HashSet::new();
    for n in 0..3 {
        ordered.insert(app.admin(ORG).order_command(agent.id(), &format!("echo {n}")).await);
    }
    let polls = join_all((0..5).map(|_| polled(&agent))).await;
    let handed_out: Vec<String> = polls.into_iter().flatten().collect();
    assert_eq!(handed_out.len(), 3, "{handed_out:?}");
    assert_eq!(handed_out.into_iter().collect::<HashSet<_>>(), ordered);
}

// D-46
#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_answer_was_lost_is_offered_again() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    assert_eq!(polled(&agent).await.as_ref(), Some(&id));
    assert_eq!(polled(&agent).await, None, "it may still be on its way");
    app.database().age_task(&id, Duration::from_secs(21));
    assert_eq!(polled(&agent).await.as_ref(), Some(&id));
    // Once the agent has said that it works on it, it has it.
    report_status(&agent, &id, "executing").await.expect(200);
    app.database().age_task(&id, Duration::from_secs(21));
    assert_eq!(polled(&agent).await, None);
}

// A14 276, §7.2
#[tokio::test(flavor = "multi_thread")]
async fn a_task_past_its_time_to_live_is_not_handed_out() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    app.database().age_task(&id, Duration::from_secs(604_801));
    assert_eq!(polled(&agent).await, None);
}

// A2 27, A14 249–252
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_tells_how_its_task_goes() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    polled(&agent).await;
    for step in ["downloading", "downloading", "executing", "executing"] {
        let answer = report_status(&agent, &id, step).await.expect(200);
        assert_eq!(answer.data()["status"], step);
        assert_eq!(answer.header("f0-task-state"), None);
        assert!(answer.json().get("idempotent").is_none());
    }
    let answer = report_result(&agent, &id).await.expect(200);
    assert_eq!(answer.data()["status"], "completed");
    assert!(answer.data()["completed_at"].is_string());
}

/// What a PATCH is answered, by the state of the task and the status reported.
const ANSWERS: &[(&str, Option<&str>, [u16; 7])] = &[
    // To: pending, assigned, downloading, executing, completed, failed, expired.
    ("pending", None, [400, 400, 400, 400, 400, 400, 400]),
    ("assigned", None, [400, 400, 200, 200, 400, 200, 400]),
    ("downloading", None, [400, 400, 200, 200, 400, 200, 400]),
    ("executing", None, [400, 400, 400, 200, 400, 200, 400]),
    // D-41: whoever would go on is stopped, whoever is done anyway is at peace.
    ("completed", Some("result"), [200, 200, 409, 409, 200, 200, 200]),
    ("failed", Some("report"), [200, 200, 409, 409, 200, 200, 200]),
    ("failed", Some("sweep"), [200, 200, 409, 409, 200, 200, 200]),
    ("expired", Some("sweep"), [200, 200, 409, 409, 200, 200, 200]),
    ("expired", Some("person"), [200, 200, 409, 409, 200, 200, 200]),
];

// A14 253, A14 256–259, B5 429, B5 432, D-41, D-80
#[tokio::test(flavor = "multi_thread")]
async fn the_machine_of_states_holds_for_every_pair() {
    const TO: [&str; 7] =
        ["pending", "assigned", "downloading", "executing", "completed", "failed", "expired"];
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    for (from, ended_by, answers) in ANSWERS {
        for (to, expected) in TO.iter().zip(answers) {
            put(&app, &id, from, *ended_by);
            app.database().end_windows();
            let answer = report_status(&agent, &id, to).await;
            let what = format!("{from} ({ended_by:?}) -> {to}: {}", answer.text());
            assert_eq!(answer.status.as_u16(), *expected, "{what}");
            let after = status(&app, &id);
            match (expected, ended_by) {
                (400, _) => {
                    assert_eq!(
                        answer.error(),
                        format!("Invalid state transition: {from} -> {to}"),
                        "{what}"
                    );
                    assert_eq!(after, *from, "{what}");
                }
                (409, _) => assert_eq!(after, *from, "{what}"),
                (_, Some(_)) => {
                    assert_eq!(answer.json()["idempotent"], true, "{what}");
                    assert_eq!(
                        answer.header("f0-task-state"),
                        Some("terminal-idempotent"),
                        "{what}"
                    );
                    assert_eq!(
                        (answer.data()["status"].as_str(), after.as_str()),
                        (Some(*from), *from),
                        "{what}"
                    );
                }
                _ => assert_eq!(after, *to, "{what}"),
            }
        }
    }
}

// D3 485
#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_stays_as_it_is_to_the_byte() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    polled(&agent).await;
    report_status(&agent, &id, "executing").await.expect(200);
    report_result(&agent, &id).await.expect(200);
    let row = || {
        let sql = "SELECT json_array(status, result, completed_at, ended_by, late, overdue_at, assigned_at) FROM tasks";
        app.database().value::<String>(sql, [])
    };
    let before = row();
    for status in ["failed", "completed", "executing", "downloading"] {
        report(&agent, &id, &json!({ "status": status, "error": "too late" })).await;
    }
    report_result(&agent, &id).await.expect(200);
    assert_eq!(row(), before);
}

// A2 28, B5 430
#[tokio::test(flavor = "multi_thread")]
async fn a_report_names_a_known_status() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    polled(&agent).await;
    assert_snapshot!(report(&agent, &id, &json!({})).await.shown(&[]), @r#"
    400
    {"success":false,"error":"Validation failed: status: Invalid option: expected one of \"pending\"|\"assigned\"|\"downloading\"|\"executing\"|\"completed\"|\"failed\"|\"expired\"","details":[{"path":"status","message":"Invalid option: expected one of \"pending\"|\"assigned\"|\"downloading\"|\"executing\"|\"completed\"|\"failed\"|\"expired\""}]}
    "#);
    let bogus = report_status(&agent, &id, "bogus").await.expect(400);
    assert!(bogus.error().contains(r#""assigned"|"downloading""#), "{}", bogus.text());
    let error =
        report(&agent, &id, &json!({ "status": "failed", "error": 7 })).await.expect(400).error();
    assert_eq!(error, "Validation failed: error: Invalid input: expected string, received number");
    assert_eq!(status(&app, &id), "assigned");
}

// A14 254, A14 255, B5 433
#[tokio::test(flavor = "multi_thread")]
async fn a_task_belongs_to_its_agent() {
    let app = App::start().await;
    let (agent, colleague, foreigner) =
        (app.enroll(ORG).await, app.enroll(ORG).await, app.enroll("org-2").await);
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    polled(&agent).await;
    let refused = report_status(&colleague, &id, "executing").await.expect(403);
    assert_eq!(refused.error(), "Agent does not own this task");
    assert_eq!(
        report_status(&foreigner, &id, "executing").await.expect(404).error(),
        "Task not found"
    );
    assert_eq!(
        report_status(&agent, UNKNOWN, "executing").await.expect(404).error(),
        "Task not found"
    );
    assert_eq!(
        report_status(&agent, "no-uuid", "executing").await.expect(404).error(),
        "Task not found"
    );
    // D-68: a refusal of a result must not block the agent's queue.
    for someone in [&colleague, &foreigner] {
        assert_eq!(report_result(someone, &id).await.expect(404).error(), "Task not found");
    }
    assert_eq!(status(&app, &id), "assigned");
}

// D-30, §12.4
#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_failure_is_kept() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    polled(&agent).await;
    let reason = "SHA256 mismatch: expected a, got b";
    let failed = report(&agent, &id, &json!({ "status": "failed", "error": reason }))
        .await
        .expect(200)
        .data();
    let expected = json!({ "error": reason, "exit_code": -1, "stdout": "", "stderr": reason, "execution_duration_ms": 0 });
    assert_eq!((&failed["status"], &failed["result"]), (&json!("failed"), &expected));
    assert!(failed["completed_at"].is_string());
    let (kind, details) = app.database().events(agent.id()).pop().unwrap();
    assert_eq!(kind, "task_failed");
    assert_eq!(
        (&details["task_id"], &details["task_type"]),
        (&json!(id), &json!("execute_command"))
    );
}

// A14 272, A14 273, B5 437, D-41
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_is_not_run() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await.running(|job| panic!("it ran {job:?}"));
    let admin = app.admin(ORG);
    let id = admin.order_command(agent.id(), "id").await;
    let canceller = admin.clone();
    let cancelled_id = id.clone();
    agent = agent.watched(move |moment| {
        let (admin, id) = (canceller.clone(), cancelled_id.clone());
        Box::pin(async move {
            if moment.is(When::AfterAnswer, &http::Method::GET, "/tasks") {
                assert_eq!(admin.cancel(&id).await.expect(200).data()["status"], "expired");
            }
            Verdict::Pass
        })
    });
    let work = agent.work().await;
    assert!(matches!(&work, Work::Aborted { reason, .. } if reason.contains("409")), "{work:?}");
    let task = admin.task(&id).await;
    assert_eq!((&task["status"], &task["result"]), (&json!("expired"), &json!(null)));
    assert_eq!(task["completed_at"], json!(null));
}

// §5.5: cancelled from any state that has not ended.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_has_not_ended_can_be_cancelled() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    let id = admin.order_command(agent.id(), "id").await;
    for from in ["pending", "assigned", "downloading", "executing"] {
        put(&app, &id, from, None);
        assert_eq!(admin.cancel(&id).await.expect(200).data()["status"], "expired", "{from}");
    }
    for (from, ended_by) in [("completed", "result"), ("failed", "report"), ("expired", "person")] {
        put(&app, &id, from, Some(ended_by));
        let error = admin.cancel(&id).await.expect(400).error();
        assert_eq!(error, format!("Cannot cancel task in status: {from}"));
    }
}

/// Runs a cancellation, a status report and a result at once, and then in each order.
async fn collide(app: &App, agent: &Agent, order: Option<[usize; 3]>) {
    let admin = app.admin(ORG);
    let id = admin.order_command(agent.id(), "id").await;
    put(app, &id, "executing", None);
    app.database().end_windows();
    let failure = json!({ "status": "failed", "error": "no" });
    let (cancelled, reported, delivered) = match order {
        None => {
            tokio::join!(admin.cancel(&id), report(agent, &id, &failure), report_result(agent, &id))
        }
        Some(order) => {
            let mut answers = [None, None, None];
            for step in order {
                answers[step] = Some(match step {
                    0 => admin.cancel(&id).await,
                    1 => report(agent, &id, &failure).await,
                    _ => report_result(agent, &id).await,
                });
            }
            let [cancelled, reported, delivered] = answers.map(Option::unwrap);
            (cancelled, reported, delivered)
        }
    };
    let task = admin.task(&id).await;
    let what =
        format!("{order:?}: {} {} {} {task}", cancelled.status, reported.text(), delivered.text());
    assert_eq!((reported.status.as_u16(), delivered.status.as_u16()), (200, 200), "{what}");
    let took = |it: &Answer| it.json().get("idempotent").is_none();
    let is_cancelled = cancelled.status == 200;
    assert!(is_cancelled || cancelled.status == 400, "{what}");

    // Whoever was told of success was the one who succeeded. A result may still follow a report.
    let expected = match (is_cancelled, took(&reported), took(&delivered)) {
        (true, false, false) => "expired",
        (false, _, true) => "completed",
        other => panic!("{other:?} {what}"),
    };
    assert_eq!(task["status"], expected, "{what}");
    assert_eq!(task["late"], json!(took(&reported) && took(&delivered)), "{what}");
    let exit_code = &task["result"]["exit_code"];
    assert_eq!(exit_code, &if expected == "completed" { json!(0) } else { json!(null) }, "{what}");
    let completions = "SELECT count(*) FROM agent_events WHERE event_type = 'task_completed'
                          AND json_extract(details, '$.task_id') = ?1";
    let events: i64 = app.database().value(completions, [&id]);
    assert_eq!(events, i64::from(expected == "completed"), "{what}");
}

// D-47
#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_a_report_and_a_result_never_overwrite_each_other() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        collide(&app, &agent, Some(order)).await;
    }
    for _ in 0..20 {
        collide(&app, &agent, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_results_at_once_one_is_kept() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    for _ in 0..10 {
        app.database().end_windows();
        let id = app.admin(ORG).order_command(agent.id(), "id").await;
        put(&app, &id, "executing", None);
        let answers = join_all((0..4).map(|_| report_result(&agent, &id))).await;
        assert!(answers.iter().all(|it| it.status == 200), "{answers:?}");
        let first = answers.iter().filter(|it| it.json().get("idempotent").is_none()).count();
        assert_eq!(first, 1, "{answers:?}");
    }
    assert_eq!(app.database().count("agent_events WHERE event_type = 'task_completed'"), 10);
}

// B5 438, A14 328, A14 329
#[tokio::test(flavor = "multi_thread")]
async fn an_uninstalled_agent_is_gone_with_its_work() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    let left_over = admin.order_command(agent.id(), "id").await;
    let id = admin.order_uninstall(agent.id(), true).await;
    let done = Work::Done { task_id: id.clone(), submitted: Submitted::Accepted };
    assert_eq!(agent.work().await, done, "an uninstall has the highest priority");
    assert_eq!(admin.agent(agent.id()).await["status"], "uninstalled");
    assert_eq!(admin.task(&left_over).await["status"], "expired");
    assert_eq!(poll(&agent).await.status, 401);
    let order = json!({ "org_id": ORG, "agent_ids": [agent.id()] });
    let refused = admin.post("/api/agent/admin/tasks/uninstall", &order).await.expect(400).error();
    assert_eq!(refused, format!("Agents not eligible for uninstall: {} (uninstalled)", agent.id()));
    let listed = admin.get("/api/agent/admin/agents?status=uninstalled").await.expect(200).data();
    assert_eq!(listed["total"], 1);
}

// A14 322, A14 323, A14 327
#[tokio::test(flavor = "multi_thread")]
async fn an_uninstall_says_whether_to_clean_up() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    for (cleanup, command) in [(false, ""), (true, "cleanup")] {
        let task = admin.task(&admin.order_uninstall(agent.id(), cleanup).await).await;
        assert_eq!(
            (&task["payload"]["command"], &task["priority"], &task["ttl"]),
            (&json!(command), &json!(10), &json!(86_400))
        );
        assert_eq!(task["type"], "uninstall");
    }
}

// D-41: a cancelled uninstall must not be carried out, whatever was missed before.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_uninstall_does_not_remove_the_agent() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let admin = app.admin(ORG);
    let id = admin.order_uninstall(agent.id(), false).await;
    let canceller = admin.clone();
    agent = agent.watched(move |moment| {
        let (admin, id) = (canceller.clone(), id.clone());
        Box::pin(async move {
            if moment.is(When::BeforeRequest, &http::Method::POST, "/result") {
                admin.cancel(&id).await.expect(200);
            }
            Verdict::Pass
        })
    });
    let work = agent.work().await;
    assert!(matches!(&work, Work::Aborted { reason, .. } if reason.contains("404")), "{work:?}");
    assert_eq!(agent.ended, None);
    assert_eq!(admin.agent(agent.id()).await["status"], "active");
    assert_eq!(poll(&agent).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_run_and_its_outcome_is_seen() {
    let app = App::start().await;
    let mut agent =
        app.enroll(ORG).await.running(|job| Outcome::of(3, &format!("ran {}", job.name())));
    let admin = app.admin(ORG);
    let id = admin.order_command(agent.id(), "exit 3").await;
    assert_eq!(
        agent.work().await,
        Work::Done { task_id: id.clone(), submitted: Submitted::Accepted }
    );
    let task = admin.task(&id).await;
    assert_eq!(
        (&task["status"], &task["result"]["exit_code"], &task["result"]["stdout"]),
        (&json!("completed"), &json!(3), &json!("ran exit 3"))
    );
}

//! What the passing of time does, and who may make it happen.

use std::time::Duration;

use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{Agent, App, Setup, application::CRON_SECRET};

const ORG: &str = "org-1";
const PATH: &str = "/api/cron/maintenance";
const MINUTE: Duration = Duration::from_mins(1);

/// A task in a state, begun now; its agent gets it without asking.
async fn task(app: &App, agent: &Agent, status: &str) -> String {
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    // As the store does it: a margin of 120 s beyond each state's own time.
    let sql = "UPDATE tasks SET status = ?2, assigned_at = iif(?2 = 'pending', NULL, created_at),
                      overdue_at = iif(?2 = 'pending', NULL, created_at + (execution_timeout_seconds + 120) * 1000)
                WHERE id = ?1";
    app.database().execute(sql, (&id, status));
    id
}

async fn state(app: &App, id: &str) -> (String, Value) {
    let task = app.admin(ORG).task(id).await;
    (task["status"].as_str().expect("a status").to_owned(), task["result"].clone())
}

fn unchanged(status: &str) -> (String, Value) {
    (status.to_owned(), Value::Null)
}

fn failed(error: &str) -> (String, Value) {
    // fleet.md §12.4
    let result = json!({
        "error": error, "exit_code": -1, "stdout": "", "stderr": error, "execution_duration_ms": 0,
    });
    ("failed".to_owned(), result)
}

// B2 406, D-20
#[tokio::test(flavor = "multi_thread")]
async fn only_schedulers_make_time_pass() {
    let app = App::start().await;
    let length = CRON_SECRET.len();
    let same_length = format!("Bearer {}", "é".repeat(length / 2)).into_bytes();
    let latin_1 = [b"Bearer ".as_slice(), &vec![0xe9; length]].concat();
    for (why, header) in [
        ("wrong", format!("Bearer {}", "x".repeat(length)).into_bytes()),
        ("cut", format!("Bearer {}", &CRON_SECRET[..length - 1]).into_bytes()),
        ("longer", format!("Bearer {CRON_SECRET}x").into_bytes()),
        ("no text", same_length),
        ("no text in one byte each", latin_1),
        ("empty", b"Bearer ".to_vec()),
        ("nothing", Vec::new()),
    ] {
        let answer = app.get(PATH).header("authorization", header).send().await;
        assert_eq!(answer.status, 401, "{why}");
        assert_eq!(answer.text(), r#"{"success":false,"error":"Unauthorized"}"#, "{why}");
    }
    app.get(PATH).send().await.expect(401);
    assert_snapshot!(app.get(PATH).bearer(CRON_SECRET).send().await.shown(&["content-type"]), @r#"
    200
    content-type: application/json; charset=utf-8
    {"success":true,"data":{"expired":0,"stale":0,"overdue":0,"offline":0,"pruned":0,"sealed":0,"undecided":0,"judged":0,"remaining":false}}
    "#);
    app.get(PATH).header("authorization", CRON_SECRET).send().await.expect(200);
    let answer = app.post(PATH).bearer(CRON_SECRET).send().await.expect(405);
    assert!(answer.header("allow").unwrap().contains("GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_nobody_is_a_scheduler() {
    let app = Setup::default().without("cron_secret").start().await;
    for header in ["Bearer ", "", "Bearer undefined"] {
        app.get(PATH).header("authorization", header).send().await.expect(401);
    }
    app.get(PATH).send().await.expect(401);
}

// A14 276, A14 277
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_begun_in_time_expires() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let (fresh, old, lost) = (
        task(&app, &agent, "pending").await,
        task(&app, &agent, "pending").await,
        task(&app, &agent, "assigned").await,
    );
    let week = Duration::from_hours(168);
    app.database().age_task(&old, week + MINUTE);
    // Handed out a moment ago, but ordered a week ago.
    let sql = "UPDATE tasks SET expires_at = created_at - 1 WHERE id = ?1";
    app.database().execute(sql, [&lost]);
    assert_eq!(app.maintain().await["expired"], 2);
    for (id, expected) in [(&fresh, "pending"), (&old, "expired"), (&lost, "expired")] {
        assert_eq!(state(&app, id).await, unchanged(expected));
    }
    let completed = app.admin(ORG).task(&old).await["completed_at"].clone();
    assert_eq!(completed, Value::Null);
}

// A14 278–282
#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_agent_was_doing_fails() {
    let app = App::start().await;
    let (mut silent, mut alive, never) =
        (app.enroll(ORG).await, app.enroll(ORG).await, app.enroll(ORG).await);
    silent.heartbeat().await;
    alive.heartbeat().await;
    app.database().age_agent(silent.id(), 10 * MINUTE);
    let mut ids = Vec::new();
    for agent in [&silent, &alive, &never] {
        for status in ["pending", "assigned", "downloading", "executing"] {
            ids.push((task(&app, agent, status).await, status, agent.id() == alive.id()));
        }
    }
    assert_eq!(app.maintain().await["stale"], 4);
    for (id, status, is_alive) in &ids {
        let is_running = matches!(*status, "downloading" | "executing");
        let expected = if is_running && !is_alive {
            failed("Agent went offline during execution")
        } else {
            unchanged(status)
        };
        assert_eq!(state(&app, id).await, expected, "{status} {is_alive}");
    }
    let (kind, details) = app.database().events(never.id()).pop().unwrap();
    assert_eq!((kind.as_str(), &details["reason"]), ("task_failed", &json!("agent_offline")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_silent_after_six_minutes() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let id = task(&app, &agent, "executing").await;
    app.database().age_agent(agent.id(), Duration::from_secs(340));
    assert_eq!(app.maintain().await["stale"], 0);
    app.database().age_agent(agent.id(), Duration::from_secs(21));
    assert_eq!(app.maintain().await["stale"], 1);
    assert_eq!(state(&app, &id).await, failed("Agent went offline during execution"));
}

// A14 283, A14 284, D3 487
#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_fails() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let mut ids = Vec::new();
    for status in ["assigned", "downloading", "executing"] {
        for (minutes, is_overdue) in [(1, false), (6, false), (10, true)] {
            let id = task(&app, &agent, status).await;
            app.database().age_task(&id, minutes * MINUTE);
            ids.push((id, status, is_overdue));
        }
    }
    let pending = task(&app, &agent, "pending").await;
    app.database().age_task(&pending, 60 * MINUTE);
    assert_eq!(app.maintain().await["overdue"], 3);
    for (id, status, is_overdue) in &ids {
        let expected =
            if *is_overdue { failed("Task exceeded execution timeout") } else { unchanged(status) };
        assert_eq!(state(&app, id).await, expected, "{status}");
    }
    assert_eq!(state(&app, &pending).await, unchanged("pending"));
    let (kind, details) = app.database().events(agent.id()).pop().unwrap();
    assert_eq!(
        (kind.as_str(), &details["reason"]),
        ("task_failed", &json!("execution_timeout_exceeded"))
    );
}

// D-62: the clock of a state starts with the state, and a download has time of its own.
#[tokio::test(flavor = "multi_thread")]
async fn time_to_download_does_not_count_as_time_to_run() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let admin = app.admin(ORG);
    let id = admin
        .order("/command", agent.id(), &json!({ "command": "id", "execution_timeout": 60 }))
        .await;
    let step = async |minutes: u32, status: &str| {
        app.database().age_task(&id, minutes * MINUTE);
        assert_eq!(app.maintain().await["overdue"], 0, "before {status}");
        let path = format!("/api/agent/tasks/{id}/status");
        agent.patch(&path, &json!({ "status": status })).send().await.expect(200);
    };
    agent.get("/api/agent/tasks").send().await.expect(200);
    // 60 s to run and 120 s of patience each time; 300 s more to download.
    step(2, "downloading").await;
    step(6, "executing").await;
    app.database().age_task(&id, 2 * MINUTE);
    assert_eq!(app.maintain().await["overdue"], 0);
    app.database().age_task(&id, 2 * MINUTE);
    assert_eq!(app.maintain().await["overdue"], 1);
    assert_eq!(state(&app, &id).await, failed("Task exceeded execution timeout"));
}

// §12.2, D2 479, D-22
#[tokio::test(flavor = "multi_thread")]
async fn going_offline_is_noticed_once() {
    let app = App::start().await;
    let (mut silent, mut alive, mut disabled, never) = (
        app.enroll(ORG).await,
        app.enroll(ORG).await,
        app.enroll(ORG).await,
        app.enroll(ORG).await,
    );
    for agent in [&mut silent, &mut alive, &mut disabled] {
        agent.heartbeat().await;
    }
    app.database().age_agent(silent.id(), 5 * MINUTE);
    app.database().age_agent(disabled.id(), 5 * MINUTE);
    app.database().execute("UPDATE agents SET status = 'disabled' WHERE id = ?1", [disabled.id()]);
    assert_eq!(app.maintain().await["offline"], 1);
    assert_eq!(app.maintain().await["offline"], 0);
    let offline = |agent: &Agent| {
        app.database().events(agent.id()).iter().filter(|it| it.0 == "went_offline").count()
    };
    assert_eq!([&silent, &alive, &disabled, &never].map(offline), [1, 0, 0, 0]);
    let (_, details) = app.database().events(silent.id()).pop().unwrap();
    let expected = json!({
        "last_cpu_percent": 7, "last_memory_mb": 6120, "last_disk_free_mb": 81_234, "last_total_memory_mb": 16_256,
    });
    assert_eq!(details, expected);

    // It comes back and goes again.
    silent.heartbeat().await;
    app.database().age_agent(silent.id(), 5 * MINUTE);
    assert_eq!(app.maintain().await["offline"], 1);
    assert_eq!(offline(&silent), 2);
}

// §12.2
#[tokio::test(flavor = "multi_thread")]
async fn the_last_heartbeat_tells_the_probable_cause_of_a_silence() {
    let app = App::start().await;
    for (system, expected) in [
        (json!({ "disk_free_mb": 99 }), json!("disk_pressure")),
        (json!({ "disk_free_mb": 100 }), json!(null)),
        (json!({ "memory_mb": 15_000 }), json!("memory_pressure")),
        (json!({ "memory_mb": 14_000, "cpu_percent": 100 }), json!(null)),
        (json!({ "total_memory_mb": null, "cpu_percent": 96 }), json!("cpu_saturation")),
        (json!({ "total_memory_mb": null, "cpu_percent": 95 }), json!(null)),
    ] {
        let mut agent = app.enroll(ORG).await;
        for (key, value) in system.as_object().unwrap() {
            agent.machine.system[key] = value.clone();
        }
        agent.machine.system.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        agent.heartbeat().await;
        app.database().age_agent(agent.id(), 5 * MINUTE);
        app.maintain().await;
        let (kind, details) = app.database().events(agent.id()).pop().unwrap();
        assert_eq!(
            (kind.as_str(), &details["probable_cause"]),
            ("went_offline", &expected),
            "{system}"
        );
    }
}

// D2 478
#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_retention_is_removed() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let database = app.database();
    let copy = "INSERT INTO heartbeat_history (agent_id, bucket_at, recorded_at)
                SELECT agent_id, bucket_at - ?1, recorded_at - ?1 FROM heartbeat_history WHERE cpu_percent IS NOT NULL";
    for days in [1_i64, 29, 31, 60] {
        database.execute(copy, [days * 86_400_000]);
    }
    database.execute(
        "INSERT INTO rate_limits (key, started_at, expires_at, used) VALUES ('ip:x', 0, 1, 1)",
        [],
    );
    assert_eq!(app.maintain().await["pruned"], 3);
    assert_eq!(database.count("heartbeat_history"), 3);
    assert_eq!(database.count("rate_limits WHERE key = 'ip:x'"), 0);
    assert!(database.count("rate_limits") > 0, "windows that are open stay");
    assert_eq!(app.maintain().await["pruned"], 0);
}

// D-54 in spirit: each cron task twice at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_schedulers_at_once_do_everything_once() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let mut alive = app.enroll(ORG).await;
    alive.heartbeat().await;
    app.database().age_agent(agent.id(), 10 * MINUTE);
    for _ in 0..5 {
        let expiring = task(&app, &alive, "pending").await;
        app.database().age_task(&expiring, Duration::from_mins(10_081));
        task(&app, &agent, "executing").await;
        let overdue = task(&app, &alive, "executing").await;
        app.database().age_task(&overdue, 10 * MINUTE);
    }
    make_work_for_the_other_sweeps(&app, &agent);
    let done = join_all((0..6).map(|_| app.maintain())).await;
    let total = |kind: &str| done.iter().map(|it| it[kind].as_i64().unwrap()).sum::<i64>();
    let kinds = ["expired", "stale", "overdue", "offline", "pruned", "sealed", "undecided"];
    assert_eq!(kinds.map(total), [5, 5, 5, 1, 7, 250, 3], "{done:?}");
    assert_eq!(app.database().count("audit_log WHERE hash IS NULL"), 0);
    assert_eq!(app.database().count("approvals WHERE status = 'expired'"), 3);
    assert_eq!(app.database().count("agent_events WHERE event_type = 'task_failed'"), 10);
    assert_eq!(app.database().count("agent_events WHERE event_type = 'went_offline'"), 1);
    assert_eq!(app.database().count("tasks WHERE status = 'expired'"), 5);
    assert_eq!(app.database().count("tasks WHERE status = 'failed'"), 10);
}

/// Seven samples past their retention, 250 rows of the log without a seal, three approvals that nobody
/// decided in time.
fn make_work_for_the_other_sweeps(app: &App, agent: &Agent) {
    let database = app.database();
    let sample =
        "INSERT INTO heartbeat_history (agent_id, bucket_at, recorded_at) VALUES (?1, ?2, ?2)";
    let entry = "UPDATE agents SET audit = json_object('at', 1, 'actor', 'user', 'address', '', 'request_id', 'r',
                                                       'action', 'agent.update')
                  WHERE id = ?1";
    let approval = "INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at,
                                           updated_at)
                    VALUES (?1, 'org-1', 'command', '{}', '{}', 'user', 0, 1, 0)";
    for n in 0..7 {
        database.execute(sample, (agent.id(), n * 300_000));
    }
    for _ in 0..250 {
        database.execute(entry, [agent.id()]);
    }
    for id in ["w1", "w2", "w3"] {
        database.execute(approval, [id]);
    }
}

#[tokio::test]
async fn what_one_sweep_fails_at_does_not_keep_the_others() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    let expiring = task(&app, &agent, "pending").await;
    app.database().age_task(&expiring, Duration::from_mins(10_081));
    make_work_for_the_other_sweeps(&app, &agent);
    let broken = "CREATE TRIGGER broken BEFORE UPDATE OF status ON tasks BEGIN SELECT RAISE(ABORT, 'broken'); END";
    app.database().execute(broken, []);
    let answer = app.get(PATH).bearer(CRON_SECRET).send().await.expect(503);
    assert!(!answer.text().contains("broken"), "{}", answer.text());
    assert_eq!(app.database().count("approvals WHERE status = 'expired'"), 3);
    assert_eq!(app.database().count("audit_log WHERE hash IS NULL"), 0);
    app.database().execute("DROP TRIGGER broken", []);
    assert_eq!(app.maintain().await["expired"], 1);
}

// A sweep and a result at once: whoever comes second sees what the first did.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_never_takes_a_result_away() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    agent.heartbeat().await;
    for _ in 0..10 {
        app.database().end_windows();
        let id = task(&app, &agent, "executing").await;
        app.database().age_task(&id, 10 * MINUTE);
        let body = json!({
            "task_id": id, "test_uuid": "", "exit_code": 0, "stdout": "", "stderr": "", "started_at": "",
            "completed_at": "", "execution_duration_ms": 0, "binary_sha256": "", "hostname": "", "os": "", "arch": "",
        });
        let path = format!("/api/agent/tasks/{id}/result");
        let (swept, taken) = tokio::join!(app.maintain(), agent.post(&path, &body).send());
        assert!(taken.expect(200).json().get("idempotent").is_none());
        let task = app.admin(ORG).task(&id).await;
        assert_eq!(
            (&task["status"], &task["result"]["exit_code"]),
            (&json!("completed"), &json!(0))
        );
        assert_eq!(task["late"], json!(swept["overdue"] == 1));
    }
}

// D-61: bounded, and nothing is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn one_run_catches_up_with_a_large_backlog() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let id = task(&app, &agent, "pending").await;
    app.database().age_task(&id, Duration::from_mins(10_081));
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2400)
                  INSERT INTO tasks (id, agent_id, org_id, type, status, payload, execution_timeout_seconds,
                                     ttl_seconds, created_at, expires_at, batch_id)
                  SELECT tasks.id || '-' || i, agent_id, org_id, type, status, payload, execution_timeout_seconds,
                         ttl_seconds, created_at, expires_at, batch_id FROM tasks, n";
    app.database().execute(copies, []);
    let done = app.maintain().await;
    assert_eq!((&done["expired"], &done["remaining"]), (&json!(2401), &json!(false)));
}

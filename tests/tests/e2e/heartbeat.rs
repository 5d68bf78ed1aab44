//! Heartbeats: what is accepted, what is recorded, and the events that follow.

use std::time::Duration;

use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{
    Agent, App,
    agent::{Gap, Heard},
};

const MINUTES: Duration = Duration::from_mins(1);
const TAKEN: Heard = Heard::Answered { status: 200, adopted_key: false };

fn kinds(app: &App, agent: &Agent) -> Vec<String> {
    app.database().events(agent.id()).into_iter().map(|it| it.0).collect()
}

fn last_event(app: &App, agent: &Agent) -> (String, Value) {
    app.database().events(agent.id()).pop().expect("an event")
}

fn stored(app: &App, agent: &Agent) -> Value {
    app.database().json("SELECT last_heartbeat FROM agents WHERE id = ?1", [agent.id()])
}

// §5.2
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_acknowledged() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let answer = agent.post("/api/agent/heartbeat", &agent.heartbeat_body(None)).send().await;
    assert_snapshot!(answer.shown(&["content-type", "ratelimit-policy", "ratelimit-remaining"]), @r#"
    200
    content-type: application/json; charset=utf-8
    ratelimit-policy: 30;w=60
    ratelimit-remaining: 29
    {"success":true,"data":{"acknowledged":true,"server_time":"[instant]"}}
    "#);
}

// A10 117, B4 413
#[tokio::test(flavor = "multi_thread")]
async fn the_last_heartbeat_is_kept_without_what_is_unknown() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.machine.version = "1.1.0".into();
    agent.machine.system["cpu_percent"] = json!(25);
    let mut body = agent.heartbeat_body(None);
    assert!(body["timestamp"].as_str().unwrap().len() > 28, "nine digits of a second");
    body["surprise"] = json!({ "deep": [1] });
    body["system"]["surprise"] = json!(true);
    agent.post("/api/agent/heartbeat", &body).send().await.expect(200);

    let kept = stored(&app, &agent);
    assert_eq!(kept["system"]["cpu_percent"], 25);
    assert_eq!((kept.get("surprise"), kept["system"].get("surprise")), (None, None));
    let seen = app.admin("org-1").agent(agent.id()).await;
    assert_eq!((&seen["agent_version"], &seen["last_heartbeat_data"]), (&json!("1.1.0"), &kept));
    assert!(seen["last_heartbeat"].as_str().unwrap().ends_with('Z'));
}

// §6.3: hostname, os and arch of the row are those of the enrollment.
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_does_not_rename_the_machine() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.machine.hostname = "elsewhere".into();
    agent.machine.os = "windows".into();
    assert_eq!(agent.heartbeat().await, TAKEN);
    let seen = app.admin("org-1").agent(agent.id()).await;
    assert_eq!((&seen["hostname"], &seen["os"]), (&json!("ws-0417"), &json!("linux")));
}

// B4 416
#[tokio::test(flavor = "multi_thread")]
async fn what_a_heartbeat_lacks_is_named() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let answer = agent.post("/api/agent/heartbeat", &json!({})).send().await.expect(400).json();
    let paths: Vec<&str> = answer["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["timestamp", "status", "current_task", "system", "agent_version", "last_task_completed"]
    );
    for (field, value, expected) in [
        ("timestamp", json!(""), "timestamp: timestamp is required"),
        ("current_task", json!(7), "current_task: Invalid input: expected string, received number"),
        ("system", json!([]), "system: Invalid input: expected object, received array"),
        (
            "status",
            json!("asleep"),
            "status: Invalid option: expected one of \"idle\"|\"executing\"|\"updating\"|\"error\"|\"offline\"",
        ),
    ] {
        let mut body = agent.heartbeat_body(None);
        body[field] = value;
        let error = agent.post("/api/agent/heartbeat", &body).send().await.expect(400).error();
        assert_eq!(error, format!("Validation failed: {expected}"));
    }
    let mut body = agent.heartbeat_body(None);
    body["system"]["cpu_percent"] = json!("7");
    let error = agent.post("/api/agent/heartbeat", &body).send().await.expect(400).error();
    assert_eq!(
        error,
        "Validation failed: system.cpu_percent: Invalid input: expected number, received string"
    );
    assert_eq!(kinds(&app, &agent), ["enrolled"]);
}

// B4 415
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_of_another_time_is_not_recorded() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let at = |seconds: i64| {
        (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string()
    };
    for timestamp in [at(-301), at(310), at(86_400), "yesterday".into(), "1752225302".into()] {
        let mut body = agent.heartbeat_body(None);
        body["timestamp"] = json!(timestamp);
        let answer = agent.post("/api/agent/heartbeat", &body).send().await;
        assert_eq!(answer.status, 400, "{timestamp}");
        assert_eq!(
            answer.text(),
            r#"{"success":false,"error":"Stale or invalid heartbeat timestamp"}"#
        );
    }
    let sql = "SELECT last_heartbeat_at IS NULL AND last_heartbeat IS NULL FROM agents";
    assert!(app.database().value::<bool>(sql, []));
    for timestamp in [at(-290), at(299)] {
        let mut body = agent.heartbeat_body(None);
        body["timestamp"] = json!(timestamp);
        agent.post("/api/agent/heartbeat", &body).send().await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skewed_clock_locks_an_agent_out_and_its_operator_sees_it() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.machine.clock_skew = jiff::SignedDuration::from_secs(-3600);
    // D-64: the agent believes that all is well.
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 401, adopted_key: false });
    assert_eq!(agent.failures, 0);
    assert!(app.admin("org-1").agent(agent.id()).await["rejected_since"].is_string());
}

// A10 114–116, B4 423, D-84
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_online_for_three_minutes_after_a_heartbeat() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    let listed = async || {
        let page = admin.get("/api/agent/admin/agents").await.expect(200).data();
        let seen = &page["agents"][0];
        (seen["is_online"].clone(), seen["runtime_status"].clone(), seen["last_heartbeat"].clone())
    };
    assert_eq!(listed().await, (json!(false), json!("offline"), json!("")));
    agent.heartbeat().await;
    let (is_online, status, _) = listed().await;
    assert_eq!((is_online, status), (json!(true), json!("idle")));
    app.database().age_agent(agent.id(), 3 * MINUTES);
    let (is_online, status, _) = listed().await;
    assert_eq!((is_online, status), (json!(false), json!("offline")));
    agent.heartbeat().await;
    app.database().execute("UPDATE agents SET status = 'disabled'", []);
    let (is_online, status, _) = listed().await;
    assert_eq!((is_online, status), (json!(false), json!("offline")));
}

// §6.3, D2 480
#[tokio::test(flavor = "multi_thread")]
async fn coming_online_is_an_event_and_staying_online_is_none() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.heartbeat().await;
    let expected = ("came_online".to_owned(), json!({ "reconnect_reason": "unknown" }));
    assert_eq!(last_event(&app, &agent), expected);
    agent.heartbeat().await;
    app.database().age_agent(agent.id(), 2 * MINUTES);
    agent.heartbeat().await;
    assert_eq!(kinds(&app, &agent), ["enrolled", "came_online"]);
    app.database().age_agent(agent.id(), 3 * MINUTES);
    agent.heartbeat().await;
    assert_eq!(kinds(&app, &agent), ["enrolled", "came_online", "came_online"]);
}

// §9.3
#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_silence_is_kept_with_its_end() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let gap = Gap { reason: "server_unreachable".into(), offline_seconds: 2092, failures: 9 };
    assert_eq!(agent.heartbeat_after(&gap).await, TAKEN);
    let (kind, details) = last_event(&app, &agent);
    assert_eq!(kind, "came_online");
    assert_eq!(details["reconnect_reason"], "server_unreachable");
    assert_eq!(details["offline_duration_seconds"], 2092);
    assert_eq!(details["failure_count"], 9);
    assert_eq!(details["network_state"], "adapters_ok");
    assert_eq!(details["process_start_time"], "2026-07-10T07:55:48Z");
    assert!(details.get("reason").is_none(), "{details}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_without_context_is_kept_too() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let mut body = agent.heartbeat_body(None);
    body["reconnect_reason"] = json!("machine_reboot");
    body["process_start_time"] = json!("2026-07-10T07:55:48Z");
    agent.post("/api/agent/heartbeat", &body).send().await.expect(200);
    let expected = json!({ "reconnect_reason": "machine_reboot", "process_start_time": "2026-07-10T07:55:48Z" });
    assert_eq!(last_event(&app, &agent).1, expected);
}

// D-79, B4 414
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_agent_with_more_to_say_is_understood() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let gap = Gap { reason: "quantum_decoherence".into(), offline_seconds: 7, failures: 1 };
    let mut body = agent.heartbeat_body(Some(&gap));
    body["reconnect_context"]["extra"] = json!("new");
    agent.post("/api/agent/heartbeat", &body).send().await.expect(200);
    let (kind, details) = last_event(&app, &agent);
    assert_eq!((kind.as_str(), &details["reconnect_reason"]), ("came_online", &json!("unknown")));
    assert!(details.get("extra").is_none(), "{details}");
}

// §12.2
#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_an_event() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.heartbeat().await;
    agent.machine.version = "0.7.0".into();
    agent.heartbeat().await;
    agent.heartbeat().await;
    let expected = ("version_updated".to_owned(), json!({ "from": "0.6.2", "to": "0.7.0" }));
    assert_eq!(last_event(&app, &agent), expected);
    assert_eq!(kinds(&app, &agent), ["enrolled", "came_online", "version_updated"]);
}

// §12.2
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_service_learns_what_probably_ended_it() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.machine.system["disk_free_mb"] = json!(50);
    agent.heartbeat().await;
    app.database().age_agent(agent.id(), 10 * MINUTES);
    assert_eq!(app.maintain().await["offline"], 1);
    assert_eq!(last_event(&app, &agent).1["probable_cause"], "disk_pressure");
    let gap = Gap { reason: "service_restart".into(), offline_seconds: 600, failures: 0 };
    agent.heartbeat_after(&gap).await;
    let (kind, details) = last_event(&app, &agent);
    assert_eq!(
        (kind.as_str(), &details["probable_cause"]),
        ("came_online", &json!("disk_pressure"))
    );
}

// §14.8: one sample per five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn history_holds_one_sample_per_five_minutes() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let database = app.database();
    for earlier in 0..3 {
        if earlier > 0 {
            database.age_agent(agent.id(), 5 * MINUTES);
            database.execute("UPDATE heartbeat_history SET bucket_at = bucket_at - 900000", []);
        }
        for _ in 0..3 {
            agent.heartbeat().await;
        }
        // A new window may begin between two heartbeats, so one sample more is right, too.
        let samples = database.count("heartbeat_history");
        assert!((earlier + 1..=earlier + 2).contains(&samples), "{samples}");
    }
    let sample = "SELECT cpu_percent = 7 AND memory_mb = 6120 AND total_memory_mb = 16256 AND disk_free_mb = 81234
                         AND uptime_seconds = 91234 AND process_memory_mb = 21 FROM heartbeat_history LIMIT 1";
    assert!(database.value::<bool>(sample, []));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_heartbeats_at_once_are_one_coming_online() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let body = agent.heartbeat_body(None);
    let beats = join_all((0..12).map(|_| agent.post("/api/agent/heartbeat", &body).send())).await;
    assert!(beats.iter().all(|it| it.status == 200), "{beats:?}");
    assert_eq!(kinds(&app, &agent), ["enrolled", "came_online"]);
    assert!(app.database().count("heartbeat_history") <= 2);
}

// B4 417, A10 138, A10 142, D-13
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_comes_with_each_heartbeat_until_it_is_used() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    let key = admin.rotate_key(agent.id()).await;
    assert!(key.starts_with("ak_") && key.len() == 67, "{key}");
    let listed =
        admin.get("/api/agent/admin/agents").await.data()["agents"][0]["rotation_pending"].clone();
    assert_eq!(listed, true);

    // Its answer is lost once; the next one brings the same key, even much later.
    let body = agent.heartbeat_body(None);
    let lost = agent.post("/api/agent/heartbeat", &body).send().await.expect(200).data();
    assert_eq!(lost["new_api_key"], key);
    app.database().age_agent(agent.id(), 600 * MINUTES);
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    assert_eq!((&agent.identity.agent_key, &agent.disk.identity().agent_key), (&key, &key));

    assert_eq!(agent.heartbeat().await, TAKEN);
    let listed =
        admin.get("/api/agent/admin/agents").await.data()["agents"][0]["rotation_pending"].clone();
    assert_eq!(listed, false);
}

// A9 104, D-81: what waits to be delivered is sealed with a secret of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_waits_is_not_stored_in_clear() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let key = app.admin("org-1").rotate_key(agent.id()).await;
    let sealed: Vec<u8> = app.database().value("SELECT pending_key_sealed FROM agents", []);
    assert!(sealed.len() > 28);
    for text in [key.as_bytes(), &key.as_bytes()[3..]] {
        assert!(!sealed.windows(text.len()).any(|it| it == text));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_agent_is_not_heard() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    app.database().execute("UPDATE agents SET status = 'disabled'", []);
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 401, adopted_key: false });
    assert!(app.database().value::<bool>("SELECT last_heartbeat_at IS NULL FROM agents", []));
}

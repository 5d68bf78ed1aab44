//! What an agent reported and what happened to it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, App, Operator};

use super::{AGENTS, DAY, NOBODY, ORG, OTHER, enroll, fail, operator, path, report};

async fn samples(by: &Operator, agent: &Agent, query: &str) -> Vec<Value> {
    let answer = by.get(&format!("{}/heartbeats{query}", path(agent))).await.expect(200);
    answer.data().as_array().expect("a list").clone()
}

async fn events(by: &Operator, agent: &Agent, query: &str) -> Value {
    by.get(&format!("{}/events{query}", path(agent))).await.expect(200).data()
}

fn numbers(page: &Value) -> Vec<i64> {
    let events = page["events"].as_array().expect("a list");
    events.iter().map(|it| it["id"].as_i64().expect("a number")).collect()
}

// D2 476, 477
#[tokio::test]
async fn a_sample_is_what_the_agent_measured() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    let answer = operator.get(&format!("{}/heartbeats", path(&agent))).await.expect(200);
    assert_eq!(answer.text(), r#"{"success":true,"data":[]}"#);
    report(&app, &agent, Duration::from_hours(2), 1);
    agent.machine.system["cpu_percent"] = json!(25.5);
    agent.machine.system["process_memory_mb"] = json!(20.25);
    agent.heartbeat().await;
    let samples = samples(&operator, &agent, "").await;
    let at = operator.agent(agent.id()).await["last_heartbeat"].clone();
    let expected = json!({
        "timestamp": at, "cpu_percent": 25.5, "memory_mb": 6120, "total_memory_mb": 16_256,
        "disk_free_mb": 81_234, "uptime_seconds": 91_234, "process_cpu_percent": 0, "process_memory_mb": 20.25,
    });
    assert_eq!(samples[1..], [expected]);
    // What was not measured is there, and null.
    let mut unknown = samples[0].clone();
    unknown["timestamp"] = Value::Null;
    let expected = json!({
        "timestamp": null, "cpu_percent": null, "memory_mb": null, "total_memory_mb": null,
        "disk_free_mb": null, "uptime_seconds": null, "process_cpu_percent": null, "process_memory_mb": null,
    });
    assert_eq!(unknown, expected);
}

// D2 481, D-70
#[tokio::test]
async fn five_minutes_have_one_sample() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        agent.heartbeat().await;
        let at = operator.agent(agent.id()).await["last_heartbeat"].clone();
        let at: jiff::Timestamp = at.as_str().expect("text").parse().expect("an instant");
        heard.push(at.as_millisecond() / 300_000);
    }
    heard.dedup();
    assert_eq!(samples(&operator, &agent, "").await.len(), heard.len());
    // The next five minutes have one of their own.
    app.database().age_agent(agent.id(), Duration::from_mins(5));
    let sql = "UPDATE heartbeat_history SET bucket_at = bucket_at - 300000, recorded_at = recorded_at - 300000";
    app.database().execute(sql, []);
    agent.heartbeat().await;
    let samples = samples(&operator, &agent, "").await;
    assert_eq!(samples.len(), heard.len() + 1);
    let last = &samples[heard.len()];
    assert_eq!(last["timestamp"], operator.agent(agent.id()).await["last_heartbeat"]);
}

// D2 477
#[tokio::test]
async fn a_history_is_of_so_many_days_and_ascending() {
    let app = App::start().await;
    let operator = operator(&app);
    let (agent, other) = (enroll(&app, "ws-1").await, enroll(&app, "ws-2").await);
    report(&app, &agent, Duration::from_hours(2), 2);
    report(&app, &agent, 31 * DAY, 1);
    report(&app, &agent, Duration::from_hours(156), 4);
    report(&app, &agent, 8 * DAY, 3);
    report(&app, &agent, 29 * DAY, 5);
    report(&app, &other, DAY, 7);
    for (query, expected) in [
        ("", 6),
        ("?days=", 6),
        ("?days=7", 6),
        ("?days=1", 2),
        ("?days=6", 2),
        ("?days=9", 9),
        ("?days=30", 14),
        ("?limit=1&offset=9", 6),
    ] {
        let samples = samples(&operator, &agent, query).await;
        assert_eq!(samples.len(), expected, "{query}");
        assert!(samples.is_sorted_by_key(|it| it["timestamp"].as_str()), "{query}");
    }
    for days in ["0", "31", "x", "1.5", "-1", "1e1", "%2B7", "7%20", "0x7", "99999999999999999999"]
    {
        for id in [agent.id(), NOBODY] {
            let answer = operator.get(&format!("{AGENTS}/{id}/heartbeats?days={days}")).await;
            let expected = r#"{"success":false,"error":"days must be between 1 and 30"}"#;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (400, expected), "{days}");
        }
    }
    for query in ["days=1&days=2", "days[]=1"] {
        operator.get(&format!("{}/heartbeats?{query}", path(&agent))).await.expect(400);
    }
}

#[tokio::test]
async fn nobody_has_no_history() {
    let app = App::start().await;
    let agent = enroll(&app, "ws-1").await;
    let foreign = app.admin(OTHER);
    for kind in ["heartbeats", "events"] {
        let unknown = operator(&app).get(&format!("{AGENTS}/{NOBODY}/{kind}")).await;
        let theirs = foreign.get(&format!("{}/{kind}", path(&agent))).await;
        for answer in [unknown, theirs] {
            let expected = r#"{"success":false,"error":"Agent not found"}"#;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (404, expected), "{kind}");
        }
    }
    // Whoever is gone has one.
    app.admin(ORG).delete(&path(&agent)).await.expect(200);
    assert_eq!(events(&operator(&app), &agent, "").await["total"], 2);
    assert!(samples(&operator(&app), &agent, "").await.is_empty());
}

// D1 474, 475
#[tokio::test]
async fn events_are_told_newest_first() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let (mut agent, mut other) = (enroll(&app, "ws-1").await, enroll(&app, "ws-2").await);
    agent.heartbeat().await;
    other.heartbeat().await;
    admin.rotate_key(agent.id()).await;
    admin.patch(&path(&agent), &json!({"status": "disabled"})).await.expect(200);
    admin.patch(&path(&agent), &json!({"status": "active"})).await.expect(200);
    let task = fail(&app, &agent).await;
    agent.machine.version = "0.7.0".into();
    agent.heartbeat().await;
    admin.delete(&path(&agent)).await.expect(200);

    let page = events(&admin, &agent, "").await;
    assert_eq!((&page["total"], &page["next_cursor"]), (&json!(8), &Value::Null));
    let shown = page["events"].as_array().expect("a list");
    let told: Vec<_> =
        shown.iter().map(|it| (it["event_type"].clone(), it["details"].clone())).collect();
    let expected = [
        ("decommissioned", json!({"from": "active", "to": "decommissioned"})),
        ("version_updated", json!({"from": "0.6.2", "to": "0.7.0"})),
        ("task_failed", json!({"task_id": task, "task_type": "execute_command"})),
        ("status_changed", json!({"from": "disabled", "to": "active"})),
        ("status_changed", json!({"from": "active", "to": "disabled"})),
        ("key_rotated", json!({})),
        ("came_online", json!({"reconnect_reason": "unknown"})),
        (
            "enrolled",
            json!({"hostname": "ws-1", "os": "linux", "arch": "amd64", "agent_version": "0.6.2"}),
        ),
    ];
    assert_eq!(told, expected.map(|(kind, details)| (json!(kind), details)));
    assert!(numbers(&page).is_sorted_by(|a, b| a > b));
    assert!(shown.is_sorted_by(|a, b| a["created_at"].as_str() >= b["created_at"].as_str()));
    for event in shown {
        let fields = event.as_object().expect("an object");
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, ["agent_id", "created_at", "details", "event_type", "id"]);
        assert_eq!(event["agent_id"], agent.id());
        let at: jiff::Timestamp =
            event["created_at"].as_str().expect("text").parse().expect("an instant");
        assert!(at.duration_until(jiff::Timestamp::now()).as_secs() < 60);
    }
    assert_eq!(events(&admin, &other, "").await["total"], 2);
}

// D1 475
#[tokio::test]
async fn events_are_filtered_and_cut() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = enroll(&app, "ws-1").await;
    agent.heartbeat().await;
    for status in ["disabled", "active", "disabled", "active"] {
        admin.patch(&path(&agent), &json!({ "status": status })).await.expect(200);
    }
    let all = numbers(&events(&admin, &agent, "").await);
    assert_eq!(all.len(), 6);
    for (query, expected, total) in [
        ("?event_type=status_changed", &all[..4], 4),
        ("?event_type=status_changed&limit=2&offset=1", &all[1..3], 4),
        ("?event_type=enrolled", &all[5..], 1),
        ("?event_type=", &all[..], 6),
        ("?event_type=task_failed", &[], 0),
        ("?event_type=bogus", &[], 0),
        ("?event_type=status%25", &[], 0),
        ("?limit=2", &all[..2], 6),
        ("?limit=2&offset=2", &all[2..4], 6),
        ("?offset=5", &all[5..], 6),
        ("?offset=6", &[], 6),
        ("?limit=0", &[], 6),
        ("?limit=500", &all[..], 6),
    ] {
        let page = events(&admin, &agent, query).await;
        assert_eq!((numbers(&page), &page["total"]), (expected.to_vec(), &json!(total)), "{query}");
        let is_cut = matches!(query, "?limit=2" | "?limit=2&offset=2")
            || query == "?event_type=status_changed&limit=2&offset=1";
        assert_eq!(page["next_cursor"].is_string(), is_cut, "{query}");
    }
    for query in [
        "limit=501",
        "limit=-1",
        "limit=abc",
        "offset=x",
        "cursor=x",
        "cursor=WzFd",
        "event_type[]=a",
    ] {
        admin.get(&format!("{}/events?{query}", path(&agent))).await.expect(400);
    }
}

#[tokio::test]
async fn every_event_is_on_exactly_one_page() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    let switch = async || {
        for status in ["disabled", "active"] {
            admin.patch(&path(&agent), &json!({ "status": status })).await.expect(200);
        }
    };
    for _ in 0..8 {
        switch().await;
    }
    // Three at a time at one instant, some seconds ago: only the number keeps them apart.
    app.database().execute(
        "UPDATE agent_events SET created_at = created_at - created_at % 1000 - 10000 + id / 3",
        [],
    );
    for (filter, old) in [("", 17_usize), ("&event_type=status_changed", 16)] {
        let all = numbers(&events(&admin, &agent, &format!("?limit=500{filter}")).await);
        assert_eq!(all.len(), old);
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut cursor = String::new();
        loop {
            let query = format!("?limit=4{filter}{cursor}");
            let page = events(&admin, &agent, &query).await;
            assert_eq!(page["total"], old + 2 * pages, "{query}");
            seen.extend(numbers(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            // A page begins behind the cursor, whatever else is said.
            cursor = format!("&cursor={next}&offset=3");
            // What happens meanwhile is in front of what is still to come.
            switch().await;
            pages += 1;
        }
        assert_eq!(
            (seen, pages),
            (all.clone(), old / 4 - usize::from(old.is_multiple_of(4))),
            "{filter}"
        );
        app.database().execute("DELETE FROM agent_events WHERE id > ?1", [all[0]]);
    }
}

//! A fleet in figures: what it is and does, and how well.

use serde_json::{Value, json};
use tests::{App, Machine, Operator};

use super::{
    DAY, ORG, OTHER, age_work, complete, enroll, enroll_in, fail, gone, operator, path, report,
};

const METRICS: &str = "/api/agent/admin/metrics";
const HEALTH: &str = "/api/agent/admin/metrics/fleet-health";
const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

async fn read(by: &Operator, path: &str) -> Value {
    let answer = by.get(path).await.expect(200).json();
    assert_eq!(answer["success"], true);
    assert_eq!(answer.as_object().expect("an object").len(), 2);
    answer["data"].clone()
}

fn empty() -> Value {
    json!({
        "total": 0, "online": 0, "offline": 0, "by_os": {}, "by_status": {}, "pending_tasks": 0,
        "task_activity_24h": {"completed": 0, "failed": 0, "total": 0, "success_rate": 0, "in_progress": 0},
        "by_version": {},
    })
}

// A10 118, 119, 122, D-84
#[tokio::test]
async fn agents_are_counted_by_what_they_are() {
    let app = App::start().await;
    let (admin, other) = (app.admin(ORG), app.admin(OTHER));
    assert_eq!(read(&admin, METRICS).await, empty());

    let mut online = enroll(&app, "online").await;
    online.machine.version = "0.7.0".into();
    online.heartbeat().await;
    let mut silent = enroll(&app, "silent").await;
    silent.heartbeat().await;
    app.database().age_agent(silent.id(), 5 * MINUTE);
    let mut disabled = app.enroll_machine(ORG, Machine::of("windows", "amd64")).await;
    disabled.heartbeat().await;
    admin.patch(&path(&disabled), &json!({"status": "disabled"})).await.expect(200);
    gone(&app).await;
    let mut foreign = app.enroll_machine(OTHER, Machine::of("darwin", "arm64")).await;
    foreign.heartbeat().await;

    let mut expected = json!({
        "total": 3, "online": 1, "offline": 2,
        "by_os": {"linux": 2, "windows": 1},
        "by_status": {"active": 2, "disabled": 1, "decommissioned": 1, "uninstalled": 1},
        "pending_tasks": 0,
        // The one that left has done what it was told.
        "task_activity_24h": {"completed": 1, "failed": 0, "total": 1, "success_rate": 100, "in_progress": 0},
        "by_version": {"0.6.2": 2, "0.7.0": 1},
    });
    assert_eq!(read(&admin, METRICS).await, expected);
    let mut theirs = empty();
    theirs["total"] = json!(1);
    theirs["online"] = json!(1);
    theirs["by_os"] = json!({"darwin": 1});
    theirs["by_status"] = json!({"active": 1});
    theirs["by_version"] = json!({"0.6.2": 1});
    assert_eq!(read(&other, METRICS).await, theirs);

    // The lists agree.
    let listed = admin.get("/api/agent/admin/agents?online_only=true").await.expect(200).data();
    assert_eq!(listed["total"], 1);
    // A version that nobody has any more is not counted as zero.
    silent.machine.version = "0.7.0".into();
    silent.heartbeat().await;
    admin.patch(&path(&disabled), &json!({"status": "active"})).await.expect(200);
    admin.delete(&path(&disabled)).await.expect(200);
    expected["total"] = json!(2);
    expected["online"] = json!(2);
    expected["offline"] = json!(0);
    expected["by_os"] = json!({"linux": 2});
    expected["by_status"] = json!({"active": 2, "decommissioned": 2, "uninstalled": 1});
    expected["by_version"] = json!({"0.7.0": 2});
    assert_eq!(read(&admin, METRICS).await, expected);
}

// A10 120, 121
#[tokio::test]
async fn work_of_a_day_is_counted() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let mut agent = enroll(&app, "ws-1").await;
    let (done, failed) = (complete(&app, &mut agent).await, fail(&app, &agent).await);
    let old = [complete(&app, &mut agent).await, fail(&app, &agent).await];
    for id in [&done, &failed] {
        app.database().age_task(id, 120 * MINUTE);
    }
    for id in &old {
        app.database().age_task(id, 2 * DAY);
    }
    admin.order_command(agent.id(), "one").await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    admin.order_command(agent.id(), "two").await;
    let cancelled = admin.order_command(agent.id(), "three").await;
    admin.cancel(&cancelled).await.expect(200);
    let mut foreign = enroll_in(&app, OTHER, "ws-1").await;
    complete(&app, &mut foreign).await;
    app.admin(OTHER).order_command(foreign.id(), "id").await;

    let metrics = read(&admin, METRICS).await;
    assert_eq!(metrics["pending_tasks"], 1);
    let expected =
        json!({"completed": 1, "failed": 1, "total": 2, "success_rate": 50, "in_progress": 1});
    assert_eq!(metrics["task_activity_24h"], expected);
    let theirs = read(&app.admin(OTHER), METRICS).await;
    assert_eq!(theirs["pending_tasks"], 1);
    let expected =
        json!({"completed": 1, "failed": 0, "total": 1, "success_rate": 100, "in_progress": 0});
    assert_eq!(theirs["task_activity_24h"], expected);
    // A day is 24 hours.
    app.database().age_task(&done, 22 * 60 * MINUTE + MINUTE);
    let metrics = read(&admin, METRICS).await;
    assert_eq!(metrics["task_activity_24h"]["completed"], 0);
}

#[tokio::test]
async fn a_rate_of_success_is_a_whole_number() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    for _ in 0..7 {
        fail(&app, &agent).await;
    }
    let mut rates = Vec::new();
    for _ in 0..5 {
        let metrics = read(&operator, METRICS).await;
        rates.push(metrics["task_activity_24h"]["success_rate"].clone());
        app.database().end_windows();
        complete(&app, &mut agent).await;
    }
    // Of 7, 8, 9, 10, 11: the second is 12.5.
    assert_eq!(rates, [0, 13, 22, 30, 36]);
}

// D2 482
#[tokio::test]
async fn a_fleet_of_nobody_is_in_health() {
    let app = App::start().await;
    let expected = json!({
        "fleet_uptime_percent_30d": 0, "task_success_rate_7d": 100, "mtbf_hours": null,
        "stale_agent_count": 0, "stale_agent_ids": [], "avg_health_score": 0,
    });
    assert_eq!(read(&operator(&app), HEALTH).await, expected);
    // Those who are gone are as nobody.
    let agent = enroll(&app, "ws-1").await;
    report(&app, &agent, 5 * DAY, 1008);
    app.admin(ORG).delete(&path(&agent)).await.expect(200);
    assert_eq!(read(&operator(&app), HEALTH).await, expected);
}

// D2 483, D-70
#[tokio::test]
async fn health_is_presence_and_success_of_an_organisation() {
    let app = App::start().await;
    let (mut agent, never) = (enroll(&app, "ws-1").await, enroll(&app, "ws-2").await);
    report(&app, &agent, 5 * DAY, 1008);
    complete(&app, &mut agent).await;
    complete(&app, &mut agent).await;
    fail(&app, &agent).await;
    let mut foreign = enroll_in(&app, OTHER, "ws-1").await;
    foreign.heartbeat().await;
    let mine = json!({
        // 1008 of two agents' 17,280.
        "fleet_uptime_percent_30d": 5.8,
        "task_success_rate_7d": 66.7,
        "mtbf_hours": null,
        "stale_agent_count": 0, "stale_agent_ids": [],
        // 20 + 20 + 30 and 0 + 30 + 30.
        "avg_health_score": 65,
    });
    assert_eq!(read(&operator(&app), HEALTH).await, mine);
    let theirs = json!({
        "fleet_uptime_percent_30d": 0, "task_success_rate_7d": 100, "mtbf_hours": null,
        "stale_agent_count": 1, "stale_agent_ids": [foreign.id()], "avg_health_score": 60,
    });
    assert_eq!(read(&app.admin(OTHER), HEALTH).await, theirs);
    // Only who is active counts: the mean is that of one agent.
    app.admin(ORG).patch(&path(&never), &json!({"status": "disabled"})).await.expect(200);
    let health = read(&operator(&app), HEALTH).await;
    assert_eq!(
        (&health["avg_health_score"], &health["fleet_uptime_percent_30d"]),
        (&json!(70), &json!(11.7))
    );
    // More than all there is cannot be.
    report(&app, &agent, 29 * DAY, 5000);
    report(&app, &agent, 11 * DAY, 1700);
    app.database().execute("UPDATE fleet_days SET samples = samples * 2", []);
    assert_eq!(read(&operator(&app), HEALTH).await["fleet_uptime_percent_30d"], 100);
}

// D2 484
#[tokio::test]
async fn whoever_completed_nothing_for_a_week_is_stale() {
    let app = App::start().await;
    let operator = operator(&app);
    let (mut one, mut other) = (enroll(&app, "one").await, enroll(&app, "other").await);
    let mut disabled = enroll(&app, "disabled").await;
    enroll(&app, "never").await;
    for agent in [&mut one, &mut other, &mut disabled] {
        agent.heartbeat().await;
    }
    app.admin(ORG).patch(&path(&disabled), &json!({"status": "disabled"})).await.expect(200);
    let check = async |expected: &[&str]| {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let health = read(&operator, HEALTH).await;
        let mut shown = health["stale_agent_ids"].as_array().expect("a list").clone();
        shown.sort_by_key(ToString::to_string);
        assert_eq!(json!(shown), json!(expected));
        assert_eq!(health["stale_agent_count"], expected.len());
    };
    check(&[one.id(), other.id()]).await;
    complete(&app, &mut one).await;
    fail(&app, &other).await;
    check(&[other.id()]).await;
    age_work(&app, &one, 6);
    check(&[other.id()]).await;
    age_work(&app, &one, 2);
    check(&[one.id(), other.id()]).await;
    complete(&app, &mut one).await;
    complete(&app, &mut other).await;
    check(&[]).await;
}

#[tokio::test]
async fn failures_have_gaps_from_two_on() {
    let app = App::start().await;
    let operator = operator(&app);
    let agent = enroll(&app, "ws-1").await;
    let foreign = enroll_in(&app, OTHER, "ws-1").await;
    let gap = async || read(&operator, HEALTH).await["mtbf_hours"].clone();
    let first = fail(&app, &agent).await;
    fail(&app, &foreign).await;
    assert_eq!(gap().await, Value::Null);
    app.database().age_task(&first, 180 * MINUTE);
    fail(&app, &agent).await;
    assert_eq!(gap().await, 3);
    app.database().age_task(&first, 80 * MINUTE);
    assert_eq!(gap().await, 4.3);
    let ancient = fail(&app, &agent).await;
    app.database().age_task(&ancient, 31 * DAY);
    assert_eq!(gap().await, 4.3);
    let second = fail(&app, &agent).await;
    app.database().age_task(&second, 720 * MINUTE);
    // Twelve hours and two gaps.
    assert_eq!(gap().await, 6);
    assert_eq!(read(&app.admin(OTHER), HEALTH).await["mtbf_hours"], Value::Null);
}

//! Keys that grow old: who gets a new one by itself, when, and once (fleet.md §7.3).

use futures::future::join_all;
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{Agent, App, Operator, application::CRON_SECRET};

const PATH: &str = "/api/cron/auto-rotation";
const SETTINGS: &str = "/api/agent/admin/settings/auto-rotation";
const DAY: i64 = 86_400_000;

async fn rotate(app: &App) -> Value {
    app.get(PATH).bearer(CRON_SECRET).send().await.expect(200).json()["data"].clone()
}

fn counted(organizations: u32, rotated: u32, remaining: bool) -> Value {
    json!({ "organizations": organizations, "rotated": rotated, "remaining": remaining })
}

async fn set(admin: &Operator, enabled: bool, days: u32) {
    let settings = json!({ "enabled": enabled, "intervalDays": days });
    let answer = admin.request(Method::PUT, SETTINGS).json(&settings).send().await;
    assert_eq!(answer.expect(200).data(), settings);
}

/// Lets an agent's key be that old, to within what a test takes.
fn age_key(app: &App, agent: &str, millis: i64) {
    let at = jiff::Timestamp::now().as_millisecond() - millis;
    let sql = "UPDATE agents SET key_rotated_at = NULL, created_at = ?2 WHERE id = ?1";
    assert_eq!(app.database().execute(sql, (agent, at)), 1);
}

fn rotations(app: &App, agent: &Agent) -> usize {
    app.database().events(agent.id()).iter().filter(|it| it.0 == "key_rotated").count()
}

fn is_waiting(app: &App, agent: &str) -> bool {
    let sql = "SELECT pending_key_digest IS NOT NULL FROM agents WHERE id = ?1";
    app.database().value(sql, [agent])
}

/// More agents of an organisation, all with keys that old.
fn crowd(app: &App, org: &str, size: u32, millis: i64) {
    let at = jiff::Timestamp::now().as_millisecond() - millis;
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
               INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, created_at, updated_at,
                                   key_digest)
               SELECT ?1 || '-' || i, ?1, 'host-' || i, 'linux', 'amd64', '1.0.0', ?3, ?3, ?3, randomblob(32) FROM n";
    app.database().execute(sql, (org, size, at));
}

#[tokio::test]
async fn it_is_off_at_ninety_days_until_somebody_says_otherwise() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    let shown = admin.get(SETTINGS).await.expect(200).data();
    assert_eq!(shown, json!({ "enabled": false, "intervalDays": 90 }));
    for (days, status) in [(29, 400), (30, 200), (365, 200), (366, 400)] {
        let settings = json!({ "enabled": true, "intervalDays": days });
        let answer = admin.request(Method::PUT, SETTINGS).json(&settings).send().await;
        assert_eq!(answer.status, status, "{days}: {}", answer.text());
    }
    let shown = admin.get(SETTINGS).await.expect(200).data();
    assert_eq!(shown, json!({ "enabled": true, "intervalDays": 365 }));
    let others = app.admin("org-2").get(SETTINGS).await.expect(200).data();
    assert_eq!(others, json!({ "enabled": false, "intervalDays": 90 }));
}

#[tokio::test]
async fn a_run_answers_what_it_did() {
    let app = App::start().await;
    assert_snapshot!(app.get(PATH).bearer(CRON_SECRET).send().await.shown(&["content-type"]), @r#"
    200
    content-type: application/json; charset=utf-8
    {"success":true,"message":"Auto-rotation processed","data":{"organizations":0,"rotated":0,"remaining":false}}
    "#);
}

// §7.3, D-54 in spirit
#[tokio::test(flavor = "multi_thread")]
async fn each_agent_that_is_due_gets_one_key_however_many_run_at_once() {
    let app = App::start().await;
    let mut due = Vec::new();
    for org in ["org-1", "org-2"] {
        set(&app.admin(org), true, 30).await;
        for _ in 0..3 {
            let agent = app.enroll(org).await;
            age_key(&app, agent.id(), 31 * DAY);
            due.push(agent);
        }
    }
    let fresh = app.enroll("org-1").await;
    let done = join_all((0..6).map(|_| rotate(&app))).await;
    let rotated = done.iter().map(|it| it["rotated"].as_i64().expect("a count"));
    assert_eq!(rotated.sum::<i64>(), 6, "{done:?}");
    for agent in &due {
        assert_eq!((rotations(&app, agent), is_waiting(&app, agent.id())), (1, true));
    }
    assert_eq!((rotations(&app, &fresh), is_waiting(&app, fresh.id())), (0, false));
    // It waits until its agent uses it, however long that takes.
    assert_eq!(rotate(&app).await, counted(0, 0, false));
    // And the agent gets it with its next heartbeat.
    let mut agent = due.swap_remove(0);
    agent.heartbeat().await;
    agent.heartbeat().await;
    assert!(!is_waiting(&app, agent.id()));
    assert_eq!(rotate(&app).await, counted(0, 0, false));
}

#[tokio::test]
async fn only_active_agents_of_organisations_that_want_it_are_due() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    let (active, disabled) = (app.enroll("org-1").await, app.enroll("org-1").await);
    let stranger = app.enroll("org-2").await;
    for agent in [&active, &disabled, &stranger] {
        age_key(&app, agent.id(), 400 * DAY);
    }
    app.database().execute("UPDATE agents SET status = 'disabled' WHERE id = ?1", [disabled.id()]);
    assert_eq!(rotate(&app).await, counted(0, 0, false), "nobody wants it");
    set(&admin, false, 30).await;
    assert_eq!(rotate(&app).await, counted(0, 0, false), "it is switched off");
    set(&admin, true, 30).await;
    assert_eq!(rotate(&app).await, counted(1, 1, false));
    let waiting = [&active, &disabled, &stranger].map(|it| is_waiting(&app, it.id()));
    assert_eq!(waiting, [true, false, false]);
}

// §7.3: strictly older
#[tokio::test]
async fn a_key_is_due_when_it_is_older_than_the_interval() {
    let app = App::start().await;
    set(&app.admin("org-1"), true, 30).await;
    let agent = app.enroll("org-1").await;
    age_key(&app, agent.id(), 30 * DAY - 600_000);
    assert_eq!(rotate(&app).await, counted(0, 0, false));
    age_key(&app, agent.id(), 30 * DAY + 1);
    assert_eq!(rotate(&app).await, counted(1, 1, false));
}

#[tokio::test]
async fn a_backlog_beyond_the_bound_goes_on_at_the_next_run_oldest_first() {
    let app = App::start().await;
    for org in ["org-1", "org-2"] {
        set(&app.admin(org), true, 30).await;
    }
    crowd(&app, "org-1", 501, 40 * DAY);
    crowd(&app, "org-2", 2, 50 * DAY);
    age_key(&app, "org-1-7", 31 * DAY);
    assert_eq!(rotate(&app).await, counted(2, 502, true));
    assert!(!is_waiting(&app, "org-1-7"), "the youngest of the due waits");
    assert_eq!(rotate(&app).await, counted(1, 1, false));
    assert!(is_waiting(&app, "org-1-7"));
}

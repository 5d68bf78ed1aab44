//! The limiter of key rotations, and whose key may be rotated. How a key changes is in `admin_agents`.

use http::Method;
use serde_json::json;
use tests::{Answer, App, Operator, agent::Heard};

use super::{AGENTS, NOBODY, ORG, enroll, gone, operator, path};

async fn rotate(by: &Operator, id: &str) -> Answer {
    by.request(Method::POST, &format!("{AGENTS}/{id}/rotate-key")).send().await
}

#[track_caller]
fn check_budget(answer: &Answer, remaining: &str) {
    let shown = ["ratelimit-policy", "ratelimit-limit", "ratelimit-remaining"];
    let shown = shown.map(|it| answer.header(it).expect("a budget"));
    assert_eq!(shown, ["3;w=900", "3", remaining]);
    let reset: u32 = answer.header("ratelimit-reset").expect("a time").parse().expect("seconds");
    assert!((600..=900).contains(&reset), "{reset}");
    assert_eq!(answer.header("x-ratelimit-limit"), None);
}

// B4 419, A9 106
#[tokio::test]
async fn three_rotations_of_an_agent_in_a_quarter_of_an_hour() {
    let app = App::start().await;
    let operator = operator(&app);
    let agent = enroll(&app, "ws-1").await;
    for id in [agent.id(), NOBODY] {
        let status = if id == NOBODY { 404 } else { 200 };
        for remaining in ["2", "1", "0"] {
            check_budget(&rotate(&operator, id).await.expect(status), remaining);
        }
        let refused = rotate(&operator, id).await.expect(429);
        check_budget(&refused, "0");
        assert_eq!(refused.header("retry-after"), refused.header("ratelimit-reset"));
        let error = "Too many key rotation attempts, try again later";
        assert_eq!(refused.json(), json!({"success": false, "error": error}));
    }
    let sql = "UPDATE rate_limits SET started_at = started_at - ?1, expires_at = expires_at - ?1";
    app.database().execute(sql, [880_000]);
    rotate(&operator, agent.id()).await.expect(429);
    app.database().execute(sql, [20_000]);
    check_budget(&rotate(&operator, agent.id()).await.expect(200), "2");
}

// A9 103, 105, D-44
#[tokio::test]
async fn a_key_that_waits_is_shown_as_it_was() {
    let app = App::start().await;
    let operator = operator(&app);
    let agent = enroll(&app, "ws-1").await;
    let first = rotate(&operator, agent.id()).await.expect(200).data();
    app.database().execute("UPDATE agents SET updated_at = 1", []);
    let second = rotate(&operator, agent.id()).await.expect(200).data();
    assert_eq!(second, first);
    let sql = "SELECT updated_at = 1 AND key_rotated_at IS NULL FROM agents";
    assert!(app.database().value::<bool>(sql, []));
    let events: Vec<_> = app.database().events(agent.id()).into_iter().map(|it| it.0).collect();
    assert_eq!(events, ["enrolled", "key_rotated"]);
    // The old key opens as long as the new one has not been used.
    agent.get("/api/agent/tasks").send().await.expect(204);
}

#[tokio::test]
async fn a_disabled_agent_gets_a_key_and_who_is_gone_for_good_does_not() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let disabled = enroll(&app, "disabled").await;
    admin.patch(&path(&disabled), &json!({"status": "disabled"})).await.expect(200);
    let key = admin.rotate_key(disabled.id()).await;
    // The key of somebody who is turned away opens nothing.
    let mut with = disabled.clone();
    with.identity.agent_key = key;
    with.get("/api/agent/tasks").send().await.expect(401);
    assert_eq!(admin.agent(disabled.id()).await["rotation_pending"], true);

    let (removed, left) = gone(&app).await;
    let rows = app.database().count("audit_log");
    for (agent, status) in [(&removed, "decommissioned"), (&left, "uninstalled")] {
        let refused = rotate(&admin, agent.id()).await.expect(409);
        assert_eq!(refused.error(), format!("Agent is {status} and gets no key any more"));
        check_budget(&refused, "2");
        assert_eq!(admin.agent(agent.id()).await["rotation_pending"], false);
    }
    assert_eq!(app.database().count("audit_log"), rows);
}

/// As after a change of `encryption_secret`: what was sealed before opens no more.
fn forget_the_secret(app: &App) {
    app.database().execute("UPDATE agents SET pending_key_sealed = randomblob(95)", []);
}

#[tokio::test]
async fn a_key_that_was_sealed_under_another_secret_is_replaced_when_a_person_asks() {
    let app = App::start().await;
    let operator = operator(&app);
    let agent = enroll(&app, "ws-1").await;
    let lost = operator.rotate_key(agent.id()).await;
    forget_the_secret(&app);
    // Nobody can give it to the agent, which goes on with the one it has.
    let mut agent = agent;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: false });

    let rows = app.database().count("audit_log");
    let found = operator.rotate_key(agent.id()).await;
    assert_ne!(found, lost);
    assert_eq!(app.database().count("audit_log"), rows + 1);
    assert_eq!(operator.rotate_key(agent.id()).await, found, "it is kept from now on");
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    assert_eq!(agent.identity.agent_key, found);
    agent.get("/api/agent/tasks").send().await.expect(204);
}

/// An agent that got the key just before the secret was changed is not locked out.
#[tokio::test]
async fn whoever_has_a_key_that_was_replaced_is_let_in_and_gets_the_new_one() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    let shown = |agent: serde_json::Value| agent["previous_key_expires_at"].clone();
    assert_eq!(shown(operator.agent(agent.id()).await), json!(null));
    // An earlier key still opens, but who has the next one has it no more.
    operator.rotate_key(agent.id()).await;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    agent.get("/api/agent/tasks").send().await.expect(204);
    agent.identity.agent_key = operator.rotate_key(agent.id()).await;
    forget_the_secret(&app);
    operator.rotate_key(agent.id()).await;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    agent.get("/api/agent/tasks").send().await.expect(204);
    // D-66: for a week it is kept, and shown to be.
    let until = shown(operator.agent(agent.id()).await);
    let until: jiff::Timestamp = until.as_str().expect("an instant").parse().expect("an instant");
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((6 * 86_400..=7 * 86_400).contains(&left), "{left}");
    app.database().execute("UPDATE agents SET previous_key_expires_at = 1", []);
    assert_eq!(shown(operator.agent(agent.id()).await), json!(null));
}

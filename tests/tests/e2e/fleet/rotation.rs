//! The limiter of key rotations, and whose key may be rotated. How a key changes is in `admin_agents`.

use http::Method;
use serde_json::json;
use tests::{Answer, App, Operator};

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
async fn an_agent_of_any_status_gets_a_key() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let disabled = enroll(&app, "disabled").await;
    admin.patch(&path(&disabled), &json!({"status": "disabled"})).await.expect(200);
    let (removed, left) = gone(&app).await;
    for agent in [&disabled, &removed, &left] {
        let key = admin.rotate_key(agent.id()).await;
        assert_eq!(admin.agent(agent.id()).await["rotation_pending"], true);
        // The key of somebody who is turned away opens nothing.
        let mut with = agent.clone();
        with.identity.agent_key = key;
        with.get("/api/agent/tasks").send().await.expect(401);
        assert_eq!(admin.agent(agent.id()).await["rotation_pending"], true);
    }
}

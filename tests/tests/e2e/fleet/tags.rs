//! Tags of one agent: added one by one, removed one by one.

use futures::future::join_all;
use serde_json::{Value, json};
use tests::{Agent, Answer, App, Operator};

use super::{AGENTS, NOBODY, ORG, enroll, gone, operator, path};

async fn add(by: &Operator, agent: &Agent, tag: &str) -> Answer {
    by.post(&format!("{}/tags", path(agent)), &json!({ "tag": tag })).await
}

/// The tag as it is written in a path.
async fn remove(by: &Operator, agent: &Agent, tag: &str) -> Answer {
    by.delete(&format!("{}/tags/{tag}", path(agent))).await
}

async fn tags(app: &App, agent: &Agent) -> Value {
    app.admin(ORG).agent(agent.id()).await["tags"].clone()
}

async fn set(app: &App, agent: &Agent, tags: &Value) {
    app.admin(ORG).patch(&path(agent), &json!({ "tags": tags })).await.expect(200);
}

#[track_caller]
fn check(answer: &Answer, agent: &Agent, tags: &[&str]) {
    let expected = json!({"success": true, "data": {"id": agent.id(), "tags": tags}});
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
}

// A10 134–136
#[tokio::test]
async fn tags_are_added_at_the_end_and_once() {
    let app = App::start().await;
    let (admin, operator) = (app.admin(ORG), operator(&app));
    let agent = enroll(&app, "ws-1").await;
    check(&add(&operator, &agent, "pilot").await, &agent, &["pilot"]);
    check(&add(&operator, &agent, "alpha").await, &agent, &["pilot", "alpha"]);
    app.database().execute("UPDATE agents SET updated_at = 1", []);
    check(&add(&operator, &agent, "pilot").await, &agent, &["pilot", "alpha"]);
    // What is there already changes nothing at all.
    assert_eq!(admin.agent(agent.id()).await["updated_at"], "1970-01-01T00:00:00.001Z");
    check(&add(&operator, &agent, "Pilot").await, &agent, &["pilot", "alpha", "Pilot"]);
    assert_ne!(admin.agent(agent.id()).await["updated_at"], "1970-01-01T00:00:00.001Z");
    check(&remove(&admin, &agent, "alpha").await, &agent, &["pilot", "Pilot"]);
    // Nor does the removal of what is not there.
    check(&remove(&admin, &agent, "alpha").await, &agent, &["pilot", "Pilot"]);
    check(&remove(&admin, &agent, "pil").await, &agent, &["pilot", "Pilot"]);
    assert_eq!(tags(&app, &agent).await, json!(["pilot", "Pilot"]));
    // A tag that stands there twice goes as one.
    set(&app, &agent, &json!(["a", "b", "a"])).await;
    check(&add(&admin, &agent, "a").await, &agent, &["a", "b", "a"]);
    check(&remove(&admin, &agent, "a").await, &agent, &["b"]);
}

#[tokio::test]
async fn who_may_add_a_tag_may_not_remove_one() {
    let app = App::start().await;
    let operator = operator(&app);
    let agent = enroll(&app, "ws-1").await;
    add(&operator, &agent, "pilot").await.expect(200);
    let answer = remove(&operator, &agent, "pilot").await.expect(403);
    assert_eq!(answer.text(), r#"{"success":false,"error":"Insufficient permissions"}"#);
    assert_eq!(tags(&app, &agent).await, json!(["pilot"]));
}

// A10 137, D-37
#[tokio::test]
async fn nobody_has_no_tags() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let added = admin.post(&format!("{AGENTS}/{NOBODY}/tags"), &json!({"tag": "x"})).await;
    let removed = admin.delete(&format!("{AGENTS}/{NOBODY}/tags/x")).await;
    for answer in [added, removed] {
        let expected = r#"{"success":false,"error":"Agent not found"}"#;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (404, expected));
    }
}

#[tokio::test]
async fn a_tag_is_text_of_some_length() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    let refusal = |message: &str| {
        let error = format!("Validation failed: tag: {message}");
        json!({"success": false, "error": error, "details": [{"path": "tag", "message": message}]})
    };
    for (body, message) in [
        (json!({"tag": ""}), "Tag is required"),
        (json!({}), "Invalid input: expected string, received undefined"),
        (json!({"tag": null}), "Invalid input: expected string, received null"),
        (json!({"tag": ["a"]}), "Invalid input: expected string, received array"),
        (json!({"tag": "x".repeat(65)}), "Too big: expected string to have <=64 characters"),
        (json!({"tag": "a\0"}), "Invalid input: expected string without NUL"),
    ] {
        for id in [agent.id(), NOBODY] {
            let answer = admin.post(&format!("{AGENTS}/{id}/tags"), &body).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (400, refusal(message)), "{body}");
        }
    }
    assert_eq!(tags(&app, &agent).await, json!([]));
    let longest = "ü".repeat(64);
    check(&add(&admin, &agent, &longest).await, &agent, &[&longest]);
}

#[tokio::test]
async fn a_tag_in_a_path_may_be_any_text() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    for (tag, written) in [
        ("site/Berlin", "site%2FBerlin"),
        ("two  words ", "two%20%20words%20"),
        ("a+b", "a+b"),
        ("50%", "50%25"),
        ("%2F", "%252F"),
        ("кот?#&", "%D0%BA%D0%BE%D1%82%3F%23%26"),
        ("..", "%2E%2E"),
        ("say \"hi\"", "say%20%22hi%22"),
        ("null", "null"),
        ("7", "7"),
        ("$.a[0]", "$.a%5B0%5D"),
    ] {
        set(&app, &agent, &json!(["first", tag, "last"])).await;
        check(&remove(&admin, &agent, written).await, &agent, &["first", "last"]);
        check(&add(&admin, &agent, tag).await, &agent, &["first", "last", tag]);
    }
    for broken in ["%", "%2", "%zz", "%FF", "%00"] {
        let answer = remove(&admin, &agent, broken).await.expect(400);
        assert_eq!(answer.error(), format!("Failed to decode param '{broken}'"));
    }
}

// D-29
#[tokio::test]
async fn an_agent_has_at_most_fifty_tags() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    let most: Vec<_> = (0..50).map(|it| it.to_string()).collect();
    set(&app, &agent, &json!(most)).await;
    let answer = add(&admin, &agent, "more").await.expect(400);
    assert_eq!(answer.text(), r#"{"success":false,"error":"An agent has at most 50 tags"}"#);
    assert_eq!(tags(&app, &agent).await, json!(most));
    // What is there may be added again, and where one went another may come.
    add(&admin, &agent, "7").await.expect(200);
    remove(&admin, &agent, "7").await.expect(200);
    let room = join_all(["a", "b", "c", "d"].map(|tag| add(&admin, &agent, tag))).await;
    let mut statuses: Vec<_> = room.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400]);
    assert_eq!(tags(&app, &agent).await.as_array().expect("a list").len(), 50);
}

// D-75
#[tokio::test]
async fn tags_that_are_added_and_removed_at_once_are_all_minded() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agent = enroll(&app, "ws-1").await;
    let old: Vec<_> = (0..12).map(|it| format!("old-{it:02}")).collect();
    let new: Vec<_> = (0..12).map(|it| format!("new-{it:02}")).collect();
    set(&app, &agent, &json!(old)).await;
    let added = join_all(new.iter().map(|tag| add(&admin, &agent, tag)));
    let removed = join_all(old.iter().map(|tag| remove(&admin, &agent, tag)));
    let (added, removed) = tokio::join!(added, removed);
    for answer in added.into_iter().chain(removed) {
        answer.expect(200);
    }
    let mut left: Vec<String> =
        serde_json::from_value(tags(&app, &agent).await).expect("a list of texts");
    left.sort();
    assert_eq!(left, new);
    // The index that lists are filtered by says the same.
    let sql = "SELECT json_group_array(tag) FROM (SELECT tag FROM agent_tags WHERE agent_id = ?1 ORDER BY tag)";
    assert_eq!(app.database().json(sql, [agent.id()]), json!(new));
}

#[tokio::test]
async fn those_who_are_gone_can_be_tagged() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let (removed, left) = gone(&app).await;
    for agent in [&removed, &left] {
        check(&add(&admin, agent, "scrapped").await, agent, &["scrapped"]);
        check(&remove(&admin, agent, "scrapped").await, agent, &[]);
    }
}

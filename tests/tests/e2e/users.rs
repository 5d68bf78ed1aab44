//! Accounts as administrators see and change them (console.md §2.8, platform.md "Identity").

use http::Method;
use serde_json::{Value, json};
use tests::{
    Answer, App,
    accounts::{PASSWORD, SignedIn},
    clock::next_millisecond,
};

async fn create(app: &App, body: &Value) -> Answer {
    app.admin("org-1").post("/api/users", body).await
}

fn wish(email: &str) -> Value {
    json!({"email": email, "name": "Ada Lovelace", "password": PASSWORD})
}

/// Issues as `path code`.
fn codes(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    assert_eq!((&body["success"], &body["error"]), (&json!(false), &json!("Validation failed")));
    let errors = body["errors"].as_array().expect("a list").iter();
    errors
        .map(|it| {
            assert!(it["message"].is_string(), "{it}");
            format!(
                "{} {}",
                it["path"][0].as_str().expect("text"),
                it["code"].as_str().expect("text")
            )
        })
        .collect()
}

#[tokio::test]
async fn an_account_is_shown_to_the_console_and_to_whoever_pages() {
    let app = App::start().await;
    let created = create(&app, &wish("Ada@Example.org")).await.expect(201);
    insta::assert_snapshot!(
        created.shown(&[]),
        @r#"
    201
    {"success":true,"data":{"id":"[uuid]","email":"ada@example.org","name":"Ada Lovelace","role":null,"created_at":"[instant]"}}
    "#
    );
    next_millisecond().await;
    create(&app, &wish("bob@example.org")).await.expect(201);
    let listed = app.admin("org-1").get("/api/users?page=2&limit=1").await.expect(200).json();
    assert_eq!(
        (&listed["page"], &listed["limit"], &listed["total"]),
        (&json!(2), &json!(1), &json!(2))
    );
    let (person, brief) = (&listed["data"][0], &listed["users"][0]);
    assert_eq!((&person["firstName"], &person["lastName"]), (&json!("Ada"), &json!("Lovelace")));
    assert_eq!((&person["imageUrl"], &person["role"]), (&json!(""), &json!(null)));
    assert_eq!(
        (&person["lastActiveAt"], &brief["email"]),
        (&json!(null), &json!("bob@example.org"))
    );
    assert!(person["createdAt"].is_i64() && brief["created_at"].is_string());
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    for query in ["page=0", "limit=0", "limit=101", "page=x", "page=-1", "limit=1&limit=2"] {
        app.admin("org-1").get(&format!("/api/users?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn every_failing_field_is_told_at_once() {
    let app = App::start().await;
    for (body, expected) in [
        (json!({}), vec!["email invalid_type", "name invalid_type", "password invalid_type"]),
        (
            json!({"email": "nobody", "name": "", "password": "short"}),
            vec!["email invalid_email", "name too_small", "password too_small"],
        ),
        (
            json!({"email": 7, "name": "Ada", "password": "x".repeat(129)}),
            vec!["email invalid_type", "password too_big"],
        ),
        (
            json!({"email": "a@b.org", "name": "Ada", "password": "Password1"}),
            vec!["password too_common"],
        ),
    ] {
        assert_eq!(codes(&create(&app, &body).await.expect(400)), expected, "{body}");
    }
    let mut body = wish("ada@example.org");
    body["role"] = json!("root");
    create(&app, &body).await.expect(400);
    assert_eq!(app.database().count("users"), 0);
}

#[tokio::test]
async fn an_address_has_one_account() {
    let app = App::start().await;
    let answers = futures::future::join_all(
        (0..4).map(|_| async { create(&app, &wish("ada@example.org")).await }),
    )
    .await;
    let mut statuses: Vec<_> = answers.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    create(&app, &wish("ADA@EXAMPLE.ORG")).await.expect(409);
}

async fn demote(by: &SignedIn, whom: &SignedIn) -> Answer {
    let path = format!("/api/users/{}/role", whom.user);
    by.app.delete(&path).bearer(&by.access_token).send().await
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_at_once_leave_one() {
    let app = App::start().await;
    let ada = SignedIn::start(&app, "org-1", "ada@example.org", "admin").await;
    let bob = SignedIn::start(&app, "org-1", "bob@example.org", "admin").await;
    let (first, second) = futures::join!(demote(&ada, &bob), demote(&bob, &ada));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    // The slower one is either no administrator any more, or would have been the last.
    assert!(matches!(statuses, [200, 403 | 409]), "{statuses:?}");
    let left: i64 = app.database().value("SELECT count(*) FROM users WHERE role = 'admin'", []);
    assert_eq!(left, 1);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = App::start().await;
    let ada = SignedIn::start(&app, "org-1", "ada@example.org", "admin").await;
    // Another organisation's administrator does not count.
    SignedIn::start(&app, "org-2", "eve@example.org", "admin").await;
    let admin = app.admin("org-1");
    let path = format!("/api/users/{}", ada.user);
    let put = async |part: &str, body: Value| {
        admin.request(Method::PUT, &format!("{path}/{part}")).json(&body).send().await
    };
    admin.delete(&path).await.expect(409);
    admin.delete(&format!("{path}/role")).await.expect(409);
    put("role", json!({"role": "operator"})).await.expect(409);
    put("status", json!({"status": "disabled"})).await.expect(409);
    put("role", json!({"role": "admin"})).await.expect(200);
    put("role", json!({"role": "root"})).await.expect(400);
    let own = app.delete(&path).bearer(&ada.access_token).send().await.expect(400);
    assert_eq!(own.error(), "You cannot delete your own account");
    let role = format!("{path}/role");
    for request in [
        app.delete(&role),
        app.put(&role).json(&json!({"role": "operator"})),
        app.put(&role).json(&json!({"role": "admin"})),
    ] {
        let own = request.bearer(&ada.access_token).send().await.expect(400);
        assert_eq!(own.error(), "You cannot change your own role");
    }
    SignedIn::start(&app, "org-1", "bob@example.org", "admin").await;
    let answer = put("role", json!({"role": "analyst"})).await.expect(200);
    assert_eq!(answer.data(), json!({"userId": ada.user, "role": "analyst"}));
    admin.delete(&path).await.expect(200);
    admin.delete(&path).await.expect(404);
}

#[tokio::test]
async fn each_change_is_in_the_audit_without_secrets() {
    let app = App::start().await;
    let person = SignedIn::start(&app, "org-1", "ada@example.org", "operator").await;
    let admin = app.admin("org-1");
    admin.delete(&format!("/api/users/{}/role", person.user)).await.expect(200);
    admin.delete(&format!("/api/users/{}", person.user)).await.expect(200);
    let invite = json!({"email": "guest@example.org", "role": "analyst"});
    admin.post("/api/users/invite", &invite).await.expect(200);
    let order = json!({"name": "ci", "scope": "read"});
    let key = admin.post("/api/api-keys", &order).await.expect(201).data();
    let id = key["id"].as_str().expect("text");
    admin.delete(&format!("/api/api-keys/{id}")).await.expect(200);
    let log: String = app.database().value(
        "SELECT group_concat(action, ' ' ORDER BY seq) FROM audit_log WHERE org_id = 'org-1'",
        [],
    );
    assert_eq!(
        log,
        "user.create session.start user.role user.remove invitation.create api_key.create api_key.revoke"
    );
    let details: String = app.database().value(
        "SELECT group_concat(coalesce(before, '') || coalesce(after, '')) FROM audit_log",
        [],
    );
    assert!(!details.contains("argon2") && !details.contains(key["key"].as_str().expect("text")));
    let unsealed: i64 =
        app.database().value("SELECT count(*) FROM audit_log WHERE hash IS NULL", []);
    assert_eq!(unsealed, 0);
}

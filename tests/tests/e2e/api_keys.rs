//! Keys of machines: shown once, counted by themselves, dead when revoked (console.md §5.1).

use serde_json::{Value, json};
use tests::{Answer, App, Person};

async fn mint(app: &App, order: &Value) -> Answer {
    app.admin("org-1").post("/api/api-keys", order).await
}

async fn key(app: &App, scope: &str) -> (String, String) {
    let data = mint(app, &json!({"name": "ci", "scope": scope})).await.expect(201).data();
    let text = |name: &str| data[name].as_str().expect("text").to_owned();
    (text("id"), text("key"))
}

async fn status(app: &App, key: &str) -> u16 {
    app.get("/api/agent/admin/agents").bearer(key).send().await.status.as_u16()
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_digest() {
    let app = App::start().await;
    let minted = mint(&app, &json!({"name": "ci", "scope": "read"})).await.expect(201).data();
    let key = minted["key"].as_str().expect("text");
    let digits = key.strip_prefix("pa_").expect("the prefix");
    assert!(digits.len() == 64 && digits.bytes().all(|it| it.is_ascii_hexdigit()), "{key}");
    assert_eq!(minted["key_prefix"], key[..12]);
    for name in ["expires_at", "last_used_at", "revoked_at"] {
        assert_eq!(minted[name], json!(null), "{name}");
    }
    let listed = app.admin("org-1").get("/api/api-keys").await.expect(200);
    assert!(!listed.text().contains(key) && listed.data()[0].get("key").is_none());
    assert_eq!(listed.data()[0]["key_prefix"], key[..12]);
    let length: i64 = app.database().value("SELECT length(digest) FROM api_keys", []);
    assert_eq!(length, 32);
}

#[tokio::test]
async fn a_key_reads_or_writes_until_it_is_revoked() {
    let app = App::start().await;
    let (id, reading) = key(&app, "read").await;
    let (_, writing) = key(&app, "read-write").await;
    let order = json!({"org_id": "org-1"});
    let write = async |key: &str| {
        app.post("/api/agent/admin/tokens").bearer(key).json(&order).send().await.status
    };
    assert_eq!((status(&app, &reading).await, status(&app, &writing).await), (200, 200));
    assert_eq!((write(&reading).await.as_u16(), write(&writing).await.as_u16()), (403, 201));
    let path = format!("/api/api-keys/{id}");
    app.admin("org-2").delete(&path).await.expect(404);
    app.admin("org-1").delete(&path).await.expect(200);
    assert_eq!((status(&app, &reading).await, status(&app, &writing).await), (401, 200));
    let again = app.admin("org-1").delete(&path).await.expect(404);
    assert_eq!(again.error(), "API key not found or already revoked");
}

#[tokio::test]
async fn a_key_expires() {
    let app = App::start().await;
    for life in [json!({"expires_in_days": 1}), json!({"expires_at": "2099-01-01T00:00:00Z"})] {
        let mut order = json!({"name": "ci", "scope": "read"});
        order.as_object_mut().expect("an object").extend(life.as_object().expect("one").clone());
        let minted = mint(&app, &order).await.expect(201).data();
        let key = minted["key"].as_str().expect("text");
        assert!(minted["expires_at"].is_string());
        assert_eq!(status(&app, key).await, 200);
        app.database().execute("UPDATE api_keys SET expires_at = 1 WHERE expires_at > 0", []);
        assert_eq!(status(&app, key).await, 401);
    }
}

#[tokio::test]
async fn a_use_is_remembered() {
    let app = App::start().await;
    let (_, key) = key(&app, "read").await;
    status(&app, &key).await;
    let used = async || {
        let listed = app.admin("org-1").get("/api/api-keys").await.expect(200).data();
        listed[0]["last_used_at"].as_str().expect("an instant").to_owned()
    };
    let first = used().await;
    status(&app, &key).await;
    assert_eq!(used().await, first, "once a minute is enough");
}

#[tokio::test]
async fn keys_that_are_nobodys_do_not_spend_the_budget_of_good_ones() {
    // D-69
    let app = App::start().await;
    let (_, good) = key(&app, "read").await;
    let wrong = format!("pa_{}", "0".repeat(64));
    for _ in 0..60 {
        assert_eq!(status(&app, &wrong).await, 401);
    }
    let answer = app.get("/api/agent/admin/agents").bearer(&wrong).send().await.expect(429);
    assert_eq!(answer.error(), "Too many API key authentication attempts");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(status(&app, &good).await, 200);
    let person = Person::admin("org-1").token();
    app.get("/api/agent/admin/agents").bearer(person).send().await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_told_at_once() {
    let app = App::start().await;
    for (order, paths) in [
        (json!({}), vec!["name", "scope"]),
        (json!({"name": "", "scope": "admin"}), vec!["name", "scope"]),
        (json!({"name": "x".repeat(101), "scope": "read"}), vec!["name"]),
        (json!({"name": "x", "role": "admin"}), vec!["role"]),
        (json!({"name": "x", "role": "analyst", "scope": "read"}), vec!["scope"]),
        (
            json!({"name": "x", "scope": "read", "expires_at": "2020-01-01T00:00:00Z"}),
            vec!["expires_at"],
        ),
        (
            json!({"name": "x", "scope": "read", "expires_at": "2999-01-01T00:00:00Z", "expires_in_days": 3}),
            vec!["expires_at"],
        ),
        (json!({"name": "x", "scope": "read", "expires_at": "tomorrow"}), vec!["expires_at"]),
    ] {
        let body = mint(&app, &order).await.expect(400).json();
        let found = body["details"].as_array().expect("a list").iter();
        let found: Vec<_> = found.map(|it| it["path"].as_str().expect("text")).collect();
        assert_eq!(found, paths, "{order}");
    }
}

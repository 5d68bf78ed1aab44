//! Enrollment tokens as operators mint, list and revoke them (fleet.md §5.3).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::{Answer, App, Person};

const TOKENS: &str = "/api/agent/admin/tokens";

async fn mint(app: &App, order: &Value) -> Answer {
    app.post(TOKENS).bearer(Person::operator("org-1").token()).json(order).send().await
}

async fn list(app: &App, query: &str) -> Vec<Value> {
    let request = app.get(&format!("{TOKENS}{query}")).bearer(Person::operator("org-1").token());
    request.send().await.expect(200).data().as_array().expect("a list").clone()
}

async fn revoke(app: &App, id: &str) -> Answer {
    app.delete(&format!("{TOKENS}/{id}")).bearer(Person::admin("org-1").token()).send().await
}

async fn enroll(app: &App, token: &str) -> Answer {
    let machine = json!({"token": token, "hostname": "h", "os": "linux", "arch": "amd64", "agent_version": "1"});
    app.post("/api/agent/enroll").json(&machine).send().await
}

#[track_caller]
fn lives(expires_at: &Value, hours: i64) {
    let expires: Timestamp = expires_at.as_str().expect("text").parse().expect("an instant");
    let expected = Timestamp::now() + SignedDuration::from_hours(hours);
    assert!(expires.duration_since(expected).abs() < SignedDuration::from_mins(1), "{expires_at}");
    // B3 409
    assert_eq!(expires_at.as_str().map(str::len), Some(24), "{expires_at}");
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_digest() {
    // A1 6, A9 89–91
    let app = App::start().await;
    let minted =
        mint(&app, &json!({"org_id": "org-1", "ttl_hours": 48, "max_uses": 10})).await.expect(201);
    insta::assert_snapshot!(
        minted.shown(&["content-type"]),
        @r#"
    201
    content-type: application/json; charset=utf-8
    {"success":true,"data":{"token":"[enrollment token]","id":"[uuid]","expires_at":"[instant]","max_uses":10}}
    "#
    );
    let token = minted.data()["token"].as_str().expect("text").to_owned();
    assert!(
        token.bytes().skip(5).all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it)),
        "{token}"
    );
    lives(&minted.data()["expires_at"], 48);
    let database = app.database();
    assert_eq!(database.value::<i64>("SELECT length(digest) FROM enrollment_tokens", []), 32);
    assert_eq!(
        database.value::<String>("SELECT created_by FROM enrollment_tokens", []),
        "user_operator"
    );
    assert_eq!(list(&app, "").await[0]["token"], "***");
    enroll(&app, &token).await.expect(201);
}

#[tokio::test]
async fn a_token_lives_a_day_and_serves_once_unless_it_is_told_otherwise() {
    let app = App::start().await;
    let minted = mint(&app, &json!({"org_id": "org-1"})).await.expect(201).data();
    assert_eq!(minted["max_uses"], 1);
    lives(&minted["expires_at"], 24);
    for (order, hours) in [
        (json!({"org_id": "org-1", "ttl_hours": 1}), 1),
        (json!({"org_id": "org-1", "ttl_hours": 720}), 720),
    ] {
        lives(&mint(&app, &order).await.expect(201).data()["expires_at"], hours);
    }
}

#[tokio::test]
async fn everything_wrong_with_an_order_is_named_at_once() {
    // A1 7, B3 407, 408
    let app = App::start().await;
    #[rustfmt::skip]
    let cases = [
        (json!({}), "org_id: Invalid input: expected string, received undefined"),
        (json!({"org_id": ""}), "org_id: org_id is required"),
        (json!({"org_id": 7}), "org_id: Invalid input: expected string, received number"),
        (json!({"org_id": "org-1", "ttl_hours": 721, "max_uses": 0, "metadata": {"env": 1}}),
            "ttl_hours: Too big: expected number to be <=720; max_uses: Too small: expected number to be >=1; \
             metadata.env: Invalid input: expected string, received number"),
        (json!({"org_id": "org-1", "ttl_hours": 1.5}), "ttl_hours: Invalid input: expected int, received number"),
        (json!({"org_id": "org-1", "ttl_hours": 0}), "ttl_hours: Too small: expected number to be >=1"),
        (json!({"org_id": "org-1", "ttl_hours": -1}), "ttl_hours: Too small: expected number to be >=1"),
        (json!({"org_id": "org-1", "ttl_hours": "24"}), "ttl_hours: Invalid input: expected number, received string"),
        (json!({"org_id": "org-1", "ttl_hours": null}), "ttl_hours: Invalid input: expected number, received null"),
        (json!({"org_id": "org-1", "max_uses": 1001}), "max_uses: Too big: expected number to be <=1000"),
        (json!({"org_id": "org-1", "metadata": []}), "metadata: Invalid input: expected record, received array"),
        (json!({"org_id": "org-1", "metadata": "x"}), "metadata: Invalid input: expected record, received string"),
    ];
    for (order, expected) in cases {
        let answer = mint(&app, &order).await.expect(400);
        assert_eq!(answer.error(), format!("Validation failed: {expected}"), "{order}");
        let details = answer.json()["details"].as_array().expect("details").len();
        assert_eq!(details, expected.matches("; ").count() + 1, "{order}");
    }
    assert_eq!(app.database().count("enrollment_tokens"), 0);
}

#[tokio::test]
async fn numbers_without_a_fraction_are_integers_however_they_are_written() {
    let app = App::start().await;
    let order = r#"{"org_id":"org-1","ttl_hours":24.0,"max_uses":1e1,"unknown":{"deep":[1]}}"#;
    let request = app.post(TOKENS).bearer(Person::operator("org-1").token());
    let answer =
        request.header("content-type", "application/json").raw_body(order).send().await.expect(201);
    assert_eq!(answer.data()["max_uses"], 10);
}

#[tokio::test]
async fn metadata_comes_back_as_it_was_given() {
    let app = App::start().await;
    let metadata =
        json!({"site": "lab-2", "": "empty name", "ключ": "значение 🦀", "quote": "\"'\\\n\t"});
    mint(&app, &json!({"org_id": "org-1", "metadata": metadata})).await.expect(201);
    assert_eq!(list(&app, "").await[0]["metadata"], metadata);
    // 16 KiB of it is enough.
    let order = json!({"org_id": "org-1", "metadata": {"x": "y".repeat(17 << 10)}});
    mint(&app, &order).await.expect(400);
}

#[tokio::test]
async fn a_list_says_how_many_there_are_and_goes_on_behind_a_cursor() {
    let app = App::start().await;
    for _ in 0..3 {
        mint(&app, &json!({"org_id": "org-1"})).await.expect(201);
    }
    let page = async |query: &str| {
        let path = format!("{TOKENS}?limit=2{query}");
        app.admin("org-1").get(&path).await.expect(200).json()
    };
    let first = page("").await;
    assert_eq!((&first["total"], first["data"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = page(&format!("&cursor={cursor}")).await;
    assert_eq!((&second["total"], &second["next_cursor"]), (&json!(3), &Value::Null));
    let shown = [first["data"].clone(), second["data"].clone()];
    let shown: Vec<_> = shown.iter().flat_map(|it| it.as_array().expect("a list")).collect();
    assert_eq!(shown, list(&app, "").await.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn only_tokens_that_can_still_enroll_somebody_are_listed_newest_first() {
    // A1 8, A9 99–101
    let app = App::start().await;
    let mut tokens = Vec::new();
    for uses in [1, 2, 3, 4] {
        tokens.push(
            mint(&app, &json!({"org_id": "org-1", "max_uses": uses})).await.expect(201).data(),
        );
        app.database().execute("UPDATE enrollment_tokens SET created_at = created_at - 60000", []);
    }
    // The first is spent, the second expires.
    enroll(&app, tokens[0]["token"].as_str().expect("text")).await.expect(201);
    let id = tokens[1]["id"].as_str().expect("text");
    let now = Timestamp::now().as_millisecond();
    app.database().execute("UPDATE enrollment_tokens SET expires_at = ?2 WHERE id = ?1", (id, now));

    let listed = list(&app, "?org_id=org-1").await;
    let ids: Vec<_> = listed.iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&tokens[3]["id"], &tokens[2]["id"]]);
    let keys: Vec<_> =
        listed[0].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "created_at",
            "created_by",
            "expires_at",
            "id",
            "max_uses",
            "metadata",
            "org_id",
            "token",
            "use_count"
        ]
    );
    assert_eq!((&listed[0]["use_count"], &listed[0]["metadata"]), (&json!(0), &json!({})));
    // D-34: the console asks without the organisation.
    assert_eq!(list(&app, "").await, listed);
    assert_eq!(list(&app, "?limit=1&offset=1").await, listed[1..]);
    // A1 9 asked for 400 here; an expired token cannot be used either.
    enroll(&app, tokens[1]["token"].as_str().expect("text")).await.expect(401);
}

#[tokio::test]
async fn a_revoked_token_enrolls_nobody() {
    // A1 10, A9 112–113, B3 412
    let app = App::start().await;
    let minted = mint(&app, &json!({"org_id": "org-1", "max_uses": 5})).await.expect(201).data();
    let (id, token) =
        (minted["id"].as_str().expect("text"), minted["token"].as_str().expect("text"));
    enroll(&app, token).await.expect(201);
    let answer = revoke(&app, id).await.expect(200);
    assert_eq!(answer.text(), r#"{"success":true,"data":{"message":"Token revoked"}}"#);
    assert_eq!(
        enroll(&app, token).await.expect(401).error(),
        "Invalid or expired enrollment token"
    );
    assert_eq!(revoke(&app, id).await.expect(404).error(), "Token not found");
    assert_eq!(app.database().count("enrollment_tokens"), 0);
    // Whoever enrolled with it before stays.
    assert_eq!(app.database().count("agents"), 1);
}

#[tokio::test]
async fn an_id_that_nobody_has_is_not_found_whatever_it_looks_like() {
    let app = App::start().await;
    for id in
        ["nobody", "%27%20OR%201=1--", "%25", "_", &"x".repeat(4096), "..%2f..", "%F0%9F%A6%80"]
    {
        assert_eq!(revoke(&app, id).await.expect(404).error(), "Token not found", "{id}");
    }
}

#[tokio::test]
async fn two_who_revoke_at_once_see_one_success() {
    let app = App::start().await;
    let minted = mint(&app, &json!({"org_id": "org-1"})).await.expect(201).data();
    let id = minted["id"].as_str().expect("text");
    let answers = futures::future::join_all((0..8).map(|_| revoke(&app, id))).await;
    let mut statuses: Vec<_> = answers.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404, 404, 404, 404, 404]);
}

#[tokio::test]
async fn a_day_ends_when_it_ends() {
    let app = App::start().await;
    let minted = mint(&app, &json!({"org_id": "org-1", "max_uses": 5})).await.expect(201).data();
    let token = minted["token"].as_str().expect("text");
    let shift = Duration::from_secs(24 * 3600 + 1).as_millis();
    let sql = "UPDATE enrollment_tokens SET expires_at = expires_at - ?1";
    app.database().execute(sql, [i64::try_from(shift).expect("small")]);
    enroll(&app, token).await.expect(401);
    assert!(list(&app, "").await.is_empty());
}

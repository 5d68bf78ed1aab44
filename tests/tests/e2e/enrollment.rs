//! How machines become agents: tokens and their ends, races for the last use, what is refused.

use std::{collections::HashSet, net::Ipv4Addr, time::Duration};

use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{
    Agent, Answer, App, Machine, Setup,
    agent::{Heard, NotEnrolled},
    application::UPDATE_PUBLIC_KEY,
};

const UNKNOWN_TOKEN: &str = "acht_0000000000000000000000000000000000000000000000000000000000000000";

fn asking(token: &str) -> Value {
    json!({ "token": token, "hostname": "ws-0417", "os": "windows", "arch": "amd64", "agent_version": "0.6.2" })
}

async fn enroll(app: &App, body: &Value) -> Answer {
    app.post("/api/agent/enroll").json(body).send().await
}

// A1 4, A9 92, A9 93
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_a_token_becomes_an_agent() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(5).await;
    let answer = enroll(&app, &asking(&token)).await;
    let shown = ["content-type", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining"];
    assert_snapshot!(answer.shown(&shown), @r#"
    201
    content-type: application/json; charset=utf-8
    ratelimit-policy: 300;w=900
    ratelimit-limit: 300
    ratelimit-remaining: 299
    {"success":true,"data":{"agent_id":"[uuid]","agent_key":"[agent key]","org_id":"org-1","server_url":"http://127.0.0.1:3000","poll_interval":30,"update_public_key":"A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="}}
    "#);
    assert_eq!(app.database().value::<i64>("SELECT use_count FROM enrollment_tokens", []), 1);
}

// A9 94
#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_what_the_machine_said() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(1).await;
    let id = enroll(&app, &asking(&token)).await.expect(201).data()["agent_id"].clone();
    let agent = app.admin("org-1").agent(id.as_str().unwrap()).await;
    for (field, expected) in [
        ("hostname", json!("ws-0417")),
        ("os", json!("windows")),
        ("arch", json!("amd64")),
        ("agent_version", json!("0.6.2")),
        ("org_id", json!("org-1")),
        ("status", json!("active")),
        ("tags", json!([])),
        ("last_heartbeat", json!("")),
        ("rotation_pending", json!(false)),
    ] {
        assert_eq!(agent[field], expected, "{field}");
    }
    let token_id: String = app.database().value("SELECT id FROM enrollment_tokens", []);
    assert_eq!(agent["enrolled_by"], token_id);
}

// §12.5
#[tokio::test(flavor = "multi_thread")]
async fn an_enrollment_is_an_event() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let details =
        json!({ "hostname": "ws-0417", "os": "linux", "arch": "amd64", "agent_version": "0.6.2" });
    assert_eq!(app.database().events(agent.id()), [("enrolled".to_owned(), details)]);
}

// A9 90, D-14
#[tokio::test(flavor = "multi_thread")]
async fn neither_token_nor_key_is_stored_in_clear() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(1).await;
    let agent = Agent::enroll(app.server(), Machine::default(), &token).await.unwrap();
    let files = ["sqlite_db.db", "sqlite_db.db-wal"]
        .map(|it| std::fs::read(app.state_dir().join(it)).unwrap_or_default());
    for secret in [&token, &agent.identity.agent_key] {
        for text in [secret.as_str(), secret.rsplit('_').next().unwrap()] {
            let is_there =
                |file: &Vec<u8>| file.windows(text.len()).any(|it| it == text.as_bytes());
            assert!(!files.iter().any(is_there), "{text}");
        }
    }
}

// A1 1–3, B1 385
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_named() {
    let app = App::start().await;
    assert_snapshot!(enroll(&app, &json!({})).await.shown(&[]), @r#"
    400
    {"success":false,"error":"Validation failed: token: Invalid input: expected string, received undefined; hostname: Invalid input: expected string, received undefined; os: Invalid option: expected one of \"windows\"|\"linux\"|\"darwin\"","details":[{"path":"token","message":"Invalid input: expected string, received undefined"},{"path":"hostname","message":"Invalid input: expected string, received undefined"},{"path":"os","message":"Invalid option: expected one of \"windows\"|\"linux\"|\"darwin\""},{"path":"arch","message":"Invalid option: expected one of \"amd64\"|\"arm64\""},{"path":"agent_version","message":"Invalid input: expected string, received undefined"}]}
    "#);
    for (field, value, expected) in [
        ("token", json!(""), "token: token is required"),
        ("hostname", json!(""), "hostname: hostname is required"),
        ("hostname", json!(7), "hostname: Invalid input: expected string, received number"),
        ("hostname", json!(null), "hostname: Invalid input: expected string, received null"),
        (
            "os",
            json!("macos"),
            "os: Invalid option: expected one of \"windows\"|\"linux\"|\"darwin\"",
        ),
        ("arch", json!("x86"), "arch: Invalid option: expected one of \"amd64\"|\"arm64\""),
        ("agent_version", json!(""), "agent_version: agent_version is required"),
        // D-29
        (
            "hostname",
            json!("h".repeat(256)),
            "hostname: Too big: expected string to have <=255 characters",
        ),
    ] {
        let mut body = asking(UNKNOWN_TOKEN);
        body[field] = value;
        let error = enroll(&app, &body).await.expect(400).error();
        assert_eq!(error, format!("Validation failed: {expected}"));
    }
    assert_eq!(app.database().count("agents"), 0);
}

// A9 95, A9 97, B3 412
#[tokio::test(flavor = "multi_thread")]
async fn unknown_expired_spent_and_revoked_tokens_look_alike() {
    let app = App::start().await;
    let (admin, database) = (app.admin("org-1"), app.database());
    let expired = admin.mint(5).await;
    database.execute("UPDATE enrollment_tokens SET expires_at = created_at", []);
    // A9 98
    let spent = admin.mint(1).await;
    enroll(&app, &asking(&spent)).await.expect(201);
    let revoked = admin.mint(5).await;
    let usable = "SELECT id FROM enrollment_tokens WHERE use_count = 0 AND expires_at > created_at";
    let path = format!("/api/agent/admin/tokens/{}", database.value::<String>(usable, []));
    assert_eq!(admin.delete(&path).await.expect(200).data(), json!({ "message": "Token revoked" }));
    assert_eq!(admin.delete(&path).await.expect(404).error(), "Token not found");

    for token in [UNKNOWN_TOKEN, &expired, &spent, &revoked, "acht_", "nonsense", "' OR 1=1 --"] {
        let answer = enroll(&app, &asking(token)).await;
        assert_eq!(answer.status, 401, "{token}");
        assert_eq!(
            answer.text(),
            r#"{"success":false,"error":"Invalid or expired enrollment token"}"#
        );
    }
    assert_eq!(database.count("agents"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_expires_at_its_very_end() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(5).await;
    let far = jiff::Timestamp::now().as_millisecond() + 60_000;
    app.database().execute("UPDATE enrollment_tokens SET expires_at = ?1", [far]);
    enroll(&app, &asking(&token)).await.expect(201);
    app.database().execute("UPDATE enrollment_tokens SET expires_at = ?1", [far - 60_000]);
    enroll(&app, &asking(&token)).await.expect(401);
}

// B3 410
#[tokio::test(flavor = "multi_thread")]
async fn the_token_decides_the_organisation() {
    let app = App::start().await;
    let token = app.admin("org-2").mint(1).await;
    let mut body = asking(&token);
    body["org_id"] = json!("org-1");
    body["status"] = json!("disabled");
    let data = enroll(&app, &body).await.expect(201).data();
    assert_eq!(data["org_id"], "org-2");
    let status: String = app.database().value("SELECT status FROM agents", []);
    assert_eq!(status, "active");
}

// B3 411
#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_goes_to_one_of_many() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(1).await;
    let body = asking(&token);
    let answers = join_all((0..5).map(|_| enroll(&app, &body))).await;
    let statuses: Vec<u16> = answers.iter().map(|it| it.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|it| **it == 201).count(), 1, "{statuses:?}");
    for answer in answers.iter().filter(|it| it.status != 201) {
        let expected = match answer.status.as_u16() {
            409 => "Enrollment token no longer available",
            401 => "Invalid or expired enrollment token",
            other => panic!("{other}"),
        };
        assert_eq!(answer.error(), expected);
    }
    assert_eq!(app.database().count("agents"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_uses_are_fifty_agents_among_two_hundred_at_once() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(50).await;
    let enrollments = (0..200_u8).map(|n| {
        let machine = Machine {
            hostname: format!("host-{n}"),
            address: Ipv4Addr::new(198, 51, 100, n).into(),
            ..Machine::default()
        };
        let (app, token) = (app.clone(), token.clone());
        tokio::spawn(async move { Agent::enroll(app.server(), machine, &token).await })
    });
    let mut enrolled = Vec::new();
    for outcome in join_all(enrollments).await {
        match outcome.unwrap() {
            Ok(agent) => enrolled.push(agent),
            Err(NotEnrolled::InvalidToken) => {}
            Err(NotEnrolled::Refused(why)) if why.starts_with("409") => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(enrolled.len(), 50);
    let ids: HashSet<&str> = enrolled.iter().map(Agent::id).collect();
    let keys: HashSet<&str> = enrolled.iter().map(|it| it.identity.agent_key.as_str()).collect();
    assert_eq!((ids.len(), keys.len()), (50, 50));
    assert_eq!(app.database().count("agents"), 50);
    assert_eq!(app.database().count("agent_events WHERE event_type = 'enrolled'"), 50);
    assert_eq!(app.database().value::<i64>("SELECT use_count FROM enrollment_tokens", []), 50);
}

// D-24
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_handed_out_works_at_once() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: false });
}

// D-12, B6 449
#[tokio::test(flavor = "multi_thread")]
async fn nobody_enrolls_while_updates_could_not_be_proven() {
    let app = Setup::default()
        .without("signing_public_key_b64")
        .without("signing_private_key_b64")
        .start()
        .await;
    let token = app.admin("org-1").mint(1).await;
    let answer = enroll(&app, &asking(&token)).await;
    assert_snapshot!(answer.shown(&[]), @r#"
    503
    {"success":false,"error":"Enrollment is unavailable: no update signing key is configured"}
    "#);
    assert_eq!(answer.header("ratelimit-remaining"), Some("299"));
    assert_eq!(app.database().count("agents"), 0);
    assert_eq!(app.database().value::<i64>("SELECT use_count FROM enrollment_tokens", []), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_get_the_key_that_proves_updates() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    assert_eq!(agent.identity.update_public_key, UPDATE_PUBLIC_KEY);
}

// §11.C 462
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_refuses_a_server_it_may_not_call() {
    let app = Setup::default().with("agent_server_url", "http://fleet.example").start().await;
    let token = app.admin("org-1").mint(1).await;
    let refused = Agent::enroll(app.server(), Machine::default(), &token).await.err();
    assert!(matches!(refused, Some(NotEnrolled::InsecureUrl(_))), "{refused:?}");
}

// A1 5
#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_ask_where_the_server_is() {
    let app = Setup::default().with("agent_server_url", "https://fleet.example").start().await;
    assert_snapshot!(app.get("/api/agent/config").send().await.shown(&[]), @r#"
    200
    {"success":true,"data":{"server_url":"https://fleet.example"}}
    "#);
}

// D-10
#[tokio::test(flavor = "multi_thread")]
async fn a_slash_too_many_does_no_harm() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(1).await;
    app.post("//api/agent/enroll").json(&asking(&token)).send().await.expect(201);
}

// A9 91
#[tokio::test(flavor = "multi_thread")]
async fn a_token_enrolls_one_machine_within_a_day_unless_told_otherwise() {
    let app = App::start().await;
    let minted =
        app.admin("org-1").post("/api/agent/admin/tokens", &json!({ "org_id": "org-1" })).await;
    let minted = minted.expect(201).data();
    assert_eq!(minted["max_uses"], 1);
    let expires: jiff::Timestamp = minted["expires_at"].as_str().unwrap().parse().unwrap();
    let lifetime = expires.duration_since(jiff::Timestamp::now()).unsigned_abs();
    assert!(
        lifetime > Duration::from_hours(23) && lifetime < Duration::from_hours(25),
        "{lifetime:?}"
    );
}

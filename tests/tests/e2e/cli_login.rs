//! The public CLI, unmodified: how it signs in, goes on and ends (console.md §5.2, §6.1, §6.2, §11.3).

use serde_json::{Value, json};
use tests::{
    Answer, App, Person,
    accounts::{SignedIn, poll, refresh, start_device},
    application::CORS_ORIGIN,
};

const AGENT: &str = "achilles-cli/0.1.0";

async fn approve(app: &App, token: &str, code: &Value) -> Answer {
    let body = json!({"user_code": code});
    app.post("/api/cli/auth/verify").bearer(token).json(&body).send().await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[tokio::test]
async fn the_public_client_signs_in_and_goes_on() {
    let app = App::start().await;
    let started = start_device(&app).await.expect(200).data();
    assert_eq!((text(&started["device_code"]).len(), &started["poll_interval"]), (64, &json!(2)));
    let code = text(&started["user_code"]);
    let is_readable = |it: char| "ABCDEFGHJKLMNPQRSTUVWXYZ23456789".contains(it);
    let (left, right) = code.split_once('-').expect("a dash");
    assert!((left.len(), right.len()) == (4, 4) && code.replace('-', "").chars().all(is_readable));
    assert_eq!(started["verification_url"], format!("{CORS_ORIGIN}/cli-auth?code={code}"));

    let pending = poll(&app, &started["device_code"]).await;
    assert_eq!(
        (pending.status.as_u16(), pending.text().as_str()),
        (202, r#"{"success":false,"error":"authorization_pending"}"#)
    );

    let person = SignedIn::start(&app, "org-1", "ada@example.org", "operator").await;
    let answer = approve(&app, &person.access_token, &started["user_code"]).await.expect(200);
    assert_eq!(answer.data()["message"], "Code verified. CLI will be authenticated shortly.");
    let again = approve(&app, &person.access_token, &started["user_code"]).await.expect(200);
    assert_eq!(
        again.data()["message"],
        "Code already verified. CLI will be authenticated shortly."
    );

    let claimed = poll(&app, &started["device_code"]).await.expect(200).data();
    assert_eq!((&claimed["org_id"], &claimed["role"]), (&json!("org-1"), &json!("operator")));
    assert_eq!(claimed["email"], "ada@example.org");
    assert_eq!(claimed["display_name"], "Ada Lovelace");
    let gone = poll(&app, &started["device_code"]).await.expect(404);
    assert_eq!(gone.error(), "Unknown device code");

    let agents = async |token: &Value| {
        let request = app.get("/api/agent/admin/agents").bearer(text(token));
        request.header("user-agent", AGENT).send().await.status.as_u16()
    };
    assert_eq!(agents(&claimed["access_token"]).await, 200);
    // It keeps the refresh token it got first, and presents it again and again.
    for _ in 0..3 {
        let token = text(&claimed["refresh_token"]);
        let refreshed = refresh(&app, "/api/cli/auth", token).await.expect(200).data();
        assert_eq!(refreshed["refresh_token"], claimed["refresh_token"]);
        assert_eq!(agents(&refreshed["access_token"]).await, 200);
    }
    assert_eq!(agents(&claimed["access_token"]).await, 200);
}

#[tokio::test]
async fn people_of_an_identity_provider_sign_devices_in() {
    let app = App::start().await;
    let started = start_device(&app).await.expect(200).data();
    let person = Person::analyst("org-1");
    approve(&app, &person.token(), &started["user_code"]).await.expect(200);
    let claimed = poll(&app, &started["device_code"]).await.expect(200).data();
    assert_eq!(claimed["user_id"], person.user);
    assert_eq!(claimed.get("email"), None);
    let token = text(&claimed["access_token"]);
    app.get("/api/agent/admin/tasks").bearer(token).send().await.expect(200);
    app.get("/api/agent/admin/agents").bearer(token).send().await.expect(403);
}

#[tokio::test]
async fn neither_a_key_nor_a_device_signs_a_device_in() {
    let app = App::start().await;
    let started = start_device(&app).await.expect(200).data();
    let order = json!({"name": "ci", "scope": "read-write"});
    let key = app.admin("org-1").post("/api/api-keys", &order).await.expect(201).data();
    approve(&app, text(&key["key"]), &started["user_code"]).await.expect(403);
    let person = SignedIn::start(&app, "org-1", "ada@example.org", "admin").await;
    let device = person.device().await;
    approve(&app, &device.access_token, &started["user_code"]).await.expect(403);
    let homeless = Person::new("user_x", None, Some("admin")).token();
    approve(&app, &homeless, &started["user_code"]).await.expect(403);
    poll(&app, &started["device_code"]).await.expect(202);
}

#[tokio::test]
async fn a_code_is_exact_and_ends() {
    let app = App::start().await;
    let started = start_device(&app).await.expect(200).data();
    let token = Person::admin("org-1").token();
    let code = text(&started["user_code"]).to_owned();
    for wrong in [code.to_lowercase(), code.replace('-', ""), "AAAA-AAAA".to_owned()] {
        let answer = approve(&app, &token, &json!(wrong)).await.expect(400);
        assert_eq!(answer.error(), "Invalid or expired code", "{wrong}");
    }
    let empty = approve(&app, &token, &json!("")).await.expect(400).json();
    assert_eq!(empty["details"][0]["message"], "user_code is required");
    app.database().execute("UPDATE device_logins SET expires_at = 1", []);
    approve(&app, &token, &json!(code)).await.expect(400);
    let late = poll(&app, &started["device_code"]).await.expect(410);
    assert_eq!(late.error(), "Device code expired");
    poll(&app, &started["device_code"]).await.expect(404);
    assert_eq!(app.database().count("device_logins"), 0);
}

#[tokio::test]
async fn an_approval_is_taken_by_one_of_many_polls() {
    let app = App::start().await;
    let started = start_device(&app).await.expect(200).data();
    approve(&app, &Person::admin("org-1").token(), &started["user_code"]).await.expect(200);
    let polls = (0..8).map(|_| poll(&app, &started["device_code"]));
    let answers = futures::future::join_all(polls).await;
    assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1);
    assert!(answers.iter().all(|it| matches!(it.status.as_u16(), 200 | 404)));
    assert_eq!(app.database().count("sessions"), 1);
}

#[tokio::test]
async fn a_code_approved_by_somebody_is_nobody_elses() {
    let app = App::start().await;
    let started = start_device(&app).await.expect(200).data();
    approve(&app, &Person::admin("org-1").token(), &started["user_code"]).await.expect(200);
    let other = Person::admin("org-2").named("user_eve").token();
    approve(&app, &other, &started["user_code"]).await.expect(400);
    let claimed = poll(&app, &started["device_code"]).await.expect(200).data();
    assert_eq!(claimed["org_id"], "org-1");
}

#[tokio::test]
async fn a_device_that_polls_as_told_is_never_throttled() {
    let app = App::start().await;
    let first = start_device(&app).await.expect(200).data();
    let second = start_device(&app).await.expect(200).data();
    // A minute of two devices behind one address, at one poll every two seconds.
    for _ in 0..30 {
        poll(&app, &first["device_code"]).await.expect(202);
        poll(&app, &second["device_code"]).await.expect(202);
    }
    // Twice as often is as far as it goes, for that device.
    for _ in 0..30 {
        poll(&app, &first["device_code"]).await.expect(202);
    }
    let answer = poll(&app, &first["device_code"]).await.expect(429);
    assert_eq!(answer.error(), "Too many poll requests.");
    poll(&app, &second["device_code"]).await.expect(202);
}

#[tokio::test]
async fn strangers_have_their_documented_limits() {
    let app = App::start().await;
    for _ in 0..10 {
        start_device(&app).await.expect(200);
    }
    let answer = start_device(&app).await.expect(429);
    assert_eq!(answer.error(), "Too many device code requests. Try again later.");
    for _ in 0..10 {
        let answer = refresh(&app, "/api/cli/auth", "nobody's").await.expect(401);
        assert_eq!(answer.error(), "Invalid or expired refresh token");
    }
    let answer = refresh(&app, "/api/cli/auth", "nobody's").await.expect(429);
    assert_eq!(answer.error(), "Too many refresh requests. Try again later.");
    for _ in 0..60 {
        poll(&app, &json!("nobody's")).await.expect(404);
    }
    poll(&app, &json!("nobody's")).await.expect(429);
}

#[tokio::test]
async fn good_refresh_tokens_are_not_throttled_by_bad_ones() {
    let app = App::start().await;
    let person = SignedIn::start(&app, "org-1", "ada@example.org", "operator").await;
    let device = person.device().await;
    for _ in 0..11 {
        refresh(&app, "/api/cli/auth", "nobody's").await;
    }
    device.refresh().await.expect(200);
    // And each family refreshes its own.
    refresh(&app, "/api/auth", &device.refresh_token).await.expect(429);
    assert!(device.is_somebody().await);
}

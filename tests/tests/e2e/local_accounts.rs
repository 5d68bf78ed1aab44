//! Signing in with a password, going on, and everything that ends it (platform.md "Identity").

use http::Method;
use serde_json::{Value, json};
use tests::{
    Answer, App,
    accounts::{PASSWORD, SignedIn, poll, refresh, sign_in, start_device},
};

const ADA: &str = "ada@example.org";

async fn ada(app: &App, role: &str) -> SignedIn {
    SignedIn::start(app, "org-1", ADA, role).await
}

async fn change_password(person: &SignedIn, present: &str, next: &str) -> Answer {
    let body = json!({"current_password": present, "new_password": next});
    person.app.post("/api/auth/password").bearer(&person.access_token).json(&body).send().await
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_session() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let answer = sign_in(&app, "ADA@example.org", PASSWORD).await.expect(200);
    let data = answer.data();
    assert_eq!(data["token_type"], "Bearer");
    assert_eq!(data["user"]["role"], "operator");
    assert_eq!(data["user"]["org_id"], "org-1");
    assert!(!answer.text().contains("argon2") && !answer.text().contains("password"));
    person.get("/api/agent/admin/agents").send().await.expect(200);
    person.get("/api/users").send().await.expect(403);
}

#[tokio::test]
async fn whoever_is_wrong_is_told_nothing() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let told = async |email: &str, password: &str| {
        let answer = sign_in(&app, email, password).await;
        (answer.status.as_u16(), answer.text())
    };
    let wrong = told(ADA, "wrong password").await;
    assert_eq!(wrong.0, 401);
    assert_eq!(told("nobody@example.org", PASSWORD).await, wrong);
    assert_eq!(told("no address", PASSWORD).await, wrong);
    app.admin("org-1")
        .request(Method::PUT, &format!("/api/users/{}/status", person.user))
        .json(&json!({"status": "disabled"}))
        .send()
        .await
        .expect(200);
    assert_eq!(told(ADA, PASSWORD).await, wrong);
    sign_in(&app, "", "").await.expect(400);
}

#[tokio::test]
async fn ten_failures_lock_an_account_for_an_address() {
    let app = App::start().await;
    ada(&app, "operator").await;
    for email in [ADA, "nobody@example.org"] {
        for _ in 0..10 {
            sign_in(&app, email, "wrong password").await.expect(401);
        }
        // Not even the right one.
        let answer = sign_in(&app, email, PASSWORD).await.expect(429);
        let wait: u32 = answer.header("retry-after").expect("a wait").parse().expect("seconds");
        assert!((800..=900).contains(&wait), "{wait}");
    }
    // From elsewhere it is as it was.
    let elsewhere = app.post("/api/auth/login").from([192, 0, 2, 7]);
    elsewhere.json(&json!({"email": ADA, "password": PASSWORD})).send().await.expect(200);
    app.database().end_windows();
    sign_in(&app, ADA, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn attempts_at_once_do_not_outrun_the_count() {
    let app = App::start().await;
    ada(&app, "operator").await;
    let attempts = (0..20).map(|_| sign_in(&app, ADA, "wrong password"));
    let answers = futures::future::join_all(attempts).await;
    let wrong = answers.iter().filter(|it| it.status == 401).count();
    assert_eq!(wrong, 10);
    assert!(answers.iter().all(|it| matches!(it.status.as_u16(), 401 | 429)));
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let app = App::start().await;
    ada(&app, "operator").await;
    for _ in 0..3 {
        for _ in 0..9 {
            sign_in(&app, ADA, "wrong password").await.expect(401);
        }
        sign_in(&app, ADA, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn a_refresh_token_works_once_and_twice_ends_the_session() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let next = person.refresh().await.expect(200).data();
    let fresh = next["access_token"].as_str().expect("text");
    app.get("/api/agent/admin/agents").bearer(fresh).send().await.expect(200);
    // Somebody has a copy: the session is over for both.
    person.refresh().await.expect(401);
    app.get("/api/agent/admin/agents").bearer(fresh).send().await.expect(401);
    assert!(!person.is_somebody().await);
    let next = next["refresh_token"].as_str().expect("text");
    refresh(&app, "/api/auth", next).await.expect(401);
}

#[tokio::test]
async fn of_many_who_refresh_at_once_one_succeeds() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let answers = futures::future::join_all((0..6).map(|_| person.refresh())).await;
    assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1);
    assert!(!person.is_somebody().await);
}

#[tokio::test]
async fn signing_out_ends_this_session_alone() {
    let app = App::start().await;
    let first = ada(&app, "operator").await;
    let second = SignedIn::again(&app, ADA).await;
    first.sign_out().await;
    assert!(!first.is_somebody().await);
    assert!(second.is_somebody().await);
    first.refresh().await.expect(401);
    // Whether there was a session is not told.
    first.sign_out().await;
}

#[tokio::test]
async fn a_role_acts_on_the_next_request() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let status = async |path: &str| person.get(path).send().await.status.as_u16();
    assert_eq!(status("/api/agent/admin/agents").await, 200);
    let role = format!("/api/users/{}/role", person.user);
    app.admin("org-1").delete(&role).await.expect(200);
    assert_eq!(status("/api/agent/admin/agents").await, 403);
    let request = app.admin("org-1");
    let request = request.request(Method::PUT, &role).json(&json!({"role": "admin"}));
    request.send().await.expect(200);
    assert_eq!(status("/api/users").await, 200);
}

#[tokio::test]
async fn whoever_is_removed_is_nobody_on_the_next_request() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let device = person.device().await;
    assert!(person.is_somebody().await && device.is_somebody().await);
    app.admin("org-1").delete(&format!("/api/users/{}", person.user)).await.expect(200);
    assert!(!person.is_somebody().await && !device.is_somebody().await);
    person.refresh().await.expect(401);
    device.refresh().await.expect(401);
    sign_in(&app, ADA, PASSWORD).await.expect(401);
}

#[tokio::test]
async fn whoever_was_disabled_must_sign_in_again() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    for (status, expected) in [("disabled", 401), ("active", 200)] {
        app.admin("org-1")
            .request(Method::PUT, &format!("/api/users/{}/status", person.user))
            .json(&json!({"status": status}))
            .send()
            .await
            .expect(200);
        assert!(!person.is_somebody().await, "{status}");
        sign_in(&app, ADA, PASSWORD).await.expect(expected);
    }
}

#[tokio::test]
async fn another_password_ends_every_other_session() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let other = SignedIn::again(&app, ADA).await;
    let device = person.device().await;
    change_password(&person, "wrong password", "another good one").await.expect(400);
    let weak = change_password(&person, PASSWORD, "password1").await.expect(400).json();
    assert_eq!(weak["errors"][0]["code"], "too_common", "{weak}");
    change_password(&person, PASSWORD, "another good one").await.expect(200);
    assert!(person.is_somebody().await);
    assert!(!other.is_somebody().await && !device.is_somebody().await);
    sign_in(&app, ADA, PASSWORD).await.expect(401);
    sign_in(&app, ADA, "another good one").await.expect(200);
    // Whom an identity provider knows has no password here.
    let token = tests::Person::admin("org-1").token();
    let body = json!({"current_password": "x", "new_password": "another good one"});
    app.post("/api/auth/password").bearer(token).json(&body).send().await.expect(403);
}

#[tokio::test]
async fn a_token_of_ours_ends_and_cannot_be_made_elsewhere() {
    let app = App::start().await;
    let person = ada(&app, "admin").await;
    let parts: Vec<_> = person.access_token.split('.').collect();
    let [head, claims, signature] = parts[..] else { panic!("three parts") };
    let other = ada_of(&app, "org-2", "eve@example.org").await;
    let others = other.access_token.split('.').nth(1).expect("claims").to_owned();
    for forged in [
        format!("{head}.{others}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{}", "A".repeat(86)),
    ] {
        let answer = app.get("/api/users").bearer(&forged).send().await;
        assert_eq!(answer.status, 401, "{forged}");
    }
    assert_eq!(person.get("/api/users").send().await.expect(200).json()["total"], 1);
    app.database().execute("UPDATE sessions SET expires_at = 1", []);
    assert!(!person.is_somebody().await);
}

async fn approved(app: &App, person: &SignedIn) -> Value {
    let started = start_device(app).await.expect(200).data();
    let code = json!({"user_code": started["user_code"]});
    let request = app.post("/api/cli/auth/verify").bearer(&person.access_token);
    request.json(&code).send().await.expect(200);
    started["device_code"].clone()
}

#[tokio::test]
async fn a_device_that_waits_cannot_outlive_the_password_or_the_account() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let device = approved(&app, &person).await;
    change_password(&person, PASSWORD, "another good one").await.expect(200);
    poll(&app, &device).await.expect(404);

    let device = approved(&app, &person).await;
    for status in ["disabled", "active"] {
        let path = format!("/api/users/{}/status", person.user);
        let admin = app.admin("org-1");
        let request = admin.request(Method::PUT, &path).json(&json!({"status": status}));
        request.send().await.expect(200);
    }
    poll(&app, &device).await.expect(404);
}

#[tokio::test]
async fn an_administrator_ends_every_session_of_a_person() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let device = person.device().await;
    let waiting = approved(&app, &person).await;
    let path = format!("/api/users/{}/sessions", person.user);
    app.admin("org-2").delete(&path).await.expect(404);
    assert!(person.is_somebody().await && device.is_somebody().await);
    let ended = app.admin("org-1").delete(&path).await.expect(200).data();
    assert_eq!(ended, json!({"userId": person.user, "ended": 2}));
    assert!(!person.is_somebody().await && !device.is_somebody().await);
    person.refresh().await.expect(401);
    device.refresh().await.expect(401);
    poll(&app, &waiting).await.expect(404);
    // There is nothing more to end, and they may come again.
    assert_eq!(app.admin("org-1").delete(&path).await.expect(200).data()["ended"], 0);
    sign_in(&app, ADA, PASSWORD).await.expect(200);
    app.admin("org-1").delete("/api/users/nobody/sessions").await.expect(404);
}

#[tokio::test]
async fn devices_of_people_of_an_identity_provider_end_too() {
    let app = App::start().await;
    let token = tests::Person::admin("org-1").named("user_2ab").token();
    let started = start_device(&app).await.expect(200).data();
    let code = json!({"user_code": started["user_code"]});
    app.post("/api/cli/auth/verify").bearer(token).json(&code).send().await.expect(200);
    let claimed = poll(&app, &started["device_code"]).await.expect(200).data();
    let token = claimed["access_token"].as_str().expect("text");
    app.get("/api/agent/admin/tasks").bearer(token).send().await.expect(200);
    let ended = app.admin("org-1").delete("/api/users/user_2ab/sessions").await.expect(200);
    assert_eq!(ended.data()["ended"], 1);
    app.get("/api/agent/admin/tasks").bearer(token).send().await.expect(401);
}

#[tokio::test]
async fn whom_somebody_invited_who_is_gone_may_not_come_any_more() {
    let app = App::start().await;
    let person = ada(&app, "admin").await;
    let request = app.post("/api/users/invite").bearer(&person.access_token);
    let invite = json!({"email": "eve@example.org", "role": "admin"});
    let invited = request.json(&invite).send().await.expect(200).data();
    app.admin("org-1")
        .post(
            "/api/users",
            &json!({
                "email": "bob@example.org", "name": "Bob", "password": PASSWORD, "role": "admin",
            }),
        )
        .await
        .expect(201);
    app.admin("org-1").delete(&format!("/api/users/{}", person.user)).await.expect(200);
    let body = json!({"token": invited["token"], "name": "Eve", "password": PASSWORD});
    app.post("/api/auth/accept-invitation").json(&body).send().await.expect(400);
}

/// fleet.md §1.5
#[tokio::test]
async fn whoever_is_counted_sees_the_budget() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let policy = |answer: &Answer| answer.header("ratelimit-policy").map(str::to_owned);
    let wrong = sign_in(&app, ADA, "wrong password").await.expect(401);
    assert_eq!(policy(&wrong).as_deref(), Some("10;w=900"));
    assert_eq!(wrong.header("ratelimit-remaining"), Some("9"));
    assert_eq!(policy(&sign_in(&app, ADA, PASSWORD).await).as_deref(), Some("10;w=900"));
    let body = json!({"token": "nobody's", "name": "Eve", "password": PASSWORD});
    let refused = app.post("/api/auth/accept-invitation").json(&body).send().await.expect(400);
    assert_eq!(policy(&refused).as_deref(), Some("100;w=900"));
    let started = start_device(&app).await.expect(200);
    assert!(policy(&started).is_some());
    let pending = poll(&app, &started.data()["device_code"]).await.expect(202);
    assert!(policy(&pending).is_some());
    assert!(policy(&refresh(&app, "/api/auth", "nobody's").await).is_some());
    // A good one is not counted.
    assert_eq!(policy(&person.refresh().await), None);
}

async fn ada_of(app: &App, org: &str, email: &str) -> SignedIn {
    SignedIn::start(app, org, email, "admin").await
}

#[tokio::test]
async fn nothing_of_a_session_is_stored_in_clear() {
    let app = App::start().await;
    let person = ada(&app, "operator").await;
    let device = person.device().await;
    let dump = std::fs::read(app.state_dir().join("sqlite_db.db")).expect("the database");
    let wal = std::fs::read(app.state_dir().join("sqlite_db.db-wal")).unwrap_or_default();
    let holds = |secret: &str| {
        [&dump, &wal].iter().any(|it| it.windows(secret.len()).any(|it| it == secret.as_bytes()))
    };
    assert!(holds(ADA));
    for secret in [PASSWORD, &person.refresh_token, &person.access_token, &device.refresh_token] {
        assert!(!holds(secret));
    }
}

#[tokio::test]
async fn an_invitation_makes_one_account() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    let invite = json!({"email": ADA, "role": "analyst"});
    let first = admin.post("/api/users/invite", &invite).await.expect(200).data();
    // Inviting again replaces the secret.
    let second = admin.post("/api/users/invite", &invite).await.expect(200).data();
    assert_eq!(first["id"], second["id"]);
    let accept = async |token: &Value, password: &str| {
        let body = json!({"token": token, "name": "Ada", "password": password});
        app.post("/api/auth/accept-invitation").json(&body).send().await
    };
    accept(&first["token"], PASSWORD).await.expect(400);
    let weak = accept(&second["token"], "short").await.expect(400).json();
    assert_eq!(weak["errors"][0]["path"], json!(["password"]), "{weak}");
    let both = futures::future::join_all([
        accept(&second["token"], PASSWORD),
        accept(&second["token"], PASSWORD),
    ])
    .await;
    let mut statuses: Vec<_> = both.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400]);
    let data = sign_in(&app, ADA, PASSWORD).await.expect(200).data();
    assert_eq!(
        (&data["user"]["role"], &data["user"]["org_id"]),
        (&json!("analyst"), &json!("org-1"))
    );
    admin.post("/api/users/invite", &invite).await.expect(409);
}

#[tokio::test]
async fn a_revoked_invitation_makes_none() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    let invite = json!({"email": ADA, "role": "analyst"});
    let invited = admin.post("/api/users/invite", &invite).await.expect(200).data();
    let id = invited["id"].as_str().expect("text");
    assert_eq!(admin.get("/api/users/invitations").await.expect(200).data()[0]["id"], id);
    let revoke = format!("/api/users/invitations/{id}/revoke");
    admin.post(&revoke, &json!({})).await.expect(200);
    admin.post(&revoke, &json!({})).await.expect(404);
    assert_eq!(admin.get("/api/users/invitations").await.expect(200).data(), json!([]));
    let body = json!({"token": invited["token"], "name": "Ada", "password": PASSWORD});
    app.post("/api/auth/accept-invitation").json(&body).send().await.expect(400);
}

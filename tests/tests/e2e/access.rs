//! Every route of every tier against every wrong caller, and every role against every permission (fleet.md §2).

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::json;
use tests::{
    Answer, App, Forgery, Person, Setup,
    application::{CRON_SECRET, root},
    description,
    surface::{self, Caller, ROLES, Route},
};

/// What cannot be: no agent, task, token or build has this id.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const UNAUTHORIZED: &str = r#"{"success":false,"error":"Unauthorized"}"#;
const INVALID_AGENT: &str = r#"{"success":false,"error":"Invalid agent credentials"}"#;

/// A tier's table, as its source states it: `.verb("/path"` in `routes()`.
fn stated(source: &str) -> Vec<(String, String)> {
    let mut stated = Vec::new();
    for verb in ["get", "post", "put", "patch", "delete"] {
        for part in source.split(&format!(".{verb}(")).skip(1) {
            let path = part.trim_start().strip_prefix('"').and_then(|it| it.split('"').next());
            if let Some(path) = path.filter(|it| it.starts_with('/')) {
                stated.push((verb.to_uppercase(), path.to_owned()));
            }
        }
    }
    stated
}

/// The text of every source file in a folder and below.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a tier has sources");
    let read = |path: PathBuf| {
        if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).expect("text") }
    };
    entries.map(|it| read(it.expect("an entry").path())).collect()
}

#[test]
fn the_surface_is_what_the_tiers_say_it_is() {
    let mut stated: Vec<_> = [
        "public",
        "agent",
        "admin",
        "auth",
        "cron-maintenance",
        "cron-ingestion",
        "cron-schedules",
        "cron-cleanup",
        "cron-auto-rotation",
    ]
    .iter()
    .flat_map(|tier| stated(&sources(&root().join("components").join(tier).join("src"))))
    .collect();
    let routes = surface::routes();
    let mut listed: Vec<_> =
        routes.iter().map(|it| (it.method.to_string(), it.pattern.to_owned())).collect();
    stated.sort();
    listed.sort();
    assert_eq!(stated, listed);
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let mut described = description::operations();
    let mut listed: Vec<_> =
        surface::routes().iter().map(|it| (it.method.to_string(), it.pattern.to_owned())).collect();
    described.sort();
    listed.sort();
    assert_eq!(described, listed, "cargo xtask openapi");
}

async fn knock(app: &App, route: &Route, authorization: Option<&[u8]>) -> Answer {
    let mut request = app.request(route.method.clone(), &route.path(NOBODY));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    if matches!(route.caller, Caller::Device) {
        request = request
            .header("x-agent-id", NOBODY)
            .header("x-request-timestamp", jiff::Timestamp::now().to_string());
    }
    if route.method != Method::GET && route.method != Method::DELETE {
        request = request.json(&json!({}));
    }
    request.send().await
}

/// Credentials that are nobody's, for any tier. With a name for the report.
fn wrong(agent_key: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let admin = Person::admin("org-1");
    let bearer = |token: &str| Some(format!("Bearer {token}").into_bytes());
    let good = admin.token();
    let mut wrong = vec![
        ("nothing".to_owned(), None),
        ("an empty header".to_owned(), Some(Vec::new())),
        ("no token".to_owned(), bearer("")),
        ("one part".to_owned(), bearer("garbage")),
        // D-03
        ("three parts of garbage".to_owned(), bearer("a.b.c")),
        ("three empty parts".to_owned(), bearer("..")),
        ("three parts of base64".to_owned(), bearer("e30.e30.e30")),
        ("four parts".to_owned(), bearer(&format!("{good}.x"))),
        ("a header that is no JSON".to_owned(), bearer("bm90anNvbg.bm90anNvbg.AAAA")),
        ("base64 with padding".to_owned(), bearer("e30=.e30=.AA==")),
        (
            "deep JSON".to_owned(),
            bearer(&format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode("[".repeat(4000)))),
        ),
        (
            "over 8 KiB".to_owned(),
            bearer(&admin.clone().claiming("filler", json!("x".repeat(9000))).token()),
        ),
        ("another scheme".to_owned(), Some(format!("Basic {good}").into_bytes())),
        ("two spaces".to_owned(), Some(format!("Bearer  {good}").into_bytes())),
        ("bytes that are no text".to_owned(), Some(b"Bearer \xff\xfe\x80".to_vec())),
        ("an agent's key".to_owned(), bearer(agent_key)),
        ("an API key".to_owned(), bearer(&format!("pa_{}", "a".repeat(64)))),
        ("a worker's token".to_owned(), bearer(&format!("wt_{}", "a".repeat(64)))),
        ("an enrollment token".to_owned(), bearer(&format!("acht_{}", "a".repeat(64)))),
        ("a fresh agent's key".to_owned(), bearer(&format!("ak_{}", "0".repeat(64)))),
    ];
    for forgery in Forgery::ALL {
        wrong.push((format!("{forgery:?}"), bearer(&admin.forged(forgery))));
    }
    wrong
}

#[tokio::test]
async fn every_closed_route_turns_away_every_wrong_caller() {
    // A3, B2 398, 406, D-01, D-02, D-03, D-20
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let mut wrong = wrong(&agent.identity.agent_key);
    wrong.push(("the cron secret".to_owned(), Some(format!("Bearer {CRON_SECRET}").into_bytes())));
    wrong.push((
        "an administrator".to_owned(),
        Some(format!("Bearer {}", Person::admin("org-1").token()).into_bytes()),
    ));
    for route in surface::routes() {
        for (name, credential) in &wrong {
            let expected = match route.caller {
                Caller::Anybody => break,
                Caller::Device => INVALID_AGENT,
                Caller::Person(_) | Caller::SignedIn if name == "an administrator" => continue,
                Caller::Scheduler if name == "the cron secret" => continue,
                // RFC 9110 §11.4 lets a scheme be followed by several spaces; agents are told apart byte by byte.
                Caller::Person(_) | Caller::SignedIn if name == "two spaces" => continue,
                Caller::Person(_) | Caller::SignedIn | Caller::Scheduler => UNAUTHORIZED,
            };
            // One stranger must not spend the budget of the next one.
            app.database().end_windows();
            let answer = knock(&app, &route, credential.as_deref()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (401, expected),
                "{route:?} as {name}"
            );
        }
    }
    // And nobody was harmed.
    assert_eq!(app.get("/api/health").send().await.status, 200);
    assert_eq!(agent.get("/api/agent/tasks").send().await.status, 204);
}

#[tokio::test]
async fn open_routes_do_not_look_at_credentials() {
    // D-01, D-03
    let app = App::start().await;
    for route in surface::routes().iter().filter(|it| it.caller == Caller::Anybody) {
        app.database().end_windows();
        let plain = knock(&app, route, None).await;
        for (name, credential) in wrong("ak_") {
            app.database().end_windows();
            let answer = knock(&app, route, credential.as_deref()).await;
            assert_eq!(answer.status, plain.status, "{route:?} as {name}");
        }
    }
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() {
    // B2 399, 400; §2.4
    let app = App::start().await;
    for route in surface::routes() {
        let Caller::Person(permission) = route.caller else { continue };
        for role in ROLES {
            let token = Person::new("user_x", Some("org-1"), role).token();
            let answer = knock(&app, &route, Some(format!("Bearer {token}").as_bytes())).await;
            if surface::holds(role, permission) {
                assert!(
                    !matches!(answer.status.as_u16(), 401 | 403),
                    "{route:?} as {role:?}: {}",
                    answer.text()
                );
                assert!(
                    !answer.status.is_server_error() || answer.status == 503,
                    "{route:?} as {role:?}"
                );
            } else {
                // Before the body is looked at: it was `{}`.
                assert_eq!(answer.status, 403, "{route:?} as {role:?}: {}", answer.text());
                assert_eq!(answer.error(), "Insufficient permissions", "{route:?} as {role:?}");
            }
        }
    }
}

/// What a key of each scope may do: console.md §5.1.
fn key_holds(scope: &str, permission: &str) -> bool {
    match scope {
        "read" => permission.ends_with(":read"),
        "read-write" => surface::holds(Some("operator"), permission),
        role => surface::holds(Some(role), permission),
    }
}

#[tokio::test]
async fn each_api_key_may_do_what_its_scope_says_until_it_is_revoked() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    for scope in ["read", "read-write", "analyst", "explorer"] {
        let key = admin.post("/api/api-keys", &json!({"name": "ci", "scope": scope})).await;
        let key = key.expect(201).data();
        let bearer = format!("Bearer {}", key["key"].as_str().expect("text"));
        for route in surface::routes() {
            let permitted = match route.caller {
                Caller::Person(permission) => key_holds(scope, permission),
                Caller::SignedIn => false,
                Caller::Anybody | Caller::Device | Caller::Scheduler => continue,
            };
            app.database().end_windows();
            let answer = knock(&app, &route, Some(bearer.as_bytes())).await;
            let refused = matches!(answer.status.as_u16(), 401 | 403);
            assert_eq!(refused, !permitted, "{route:?} as {scope}: {}", answer.text());
        }
        let id = key["id"].as_str().expect("text");
        admin.delete(&format!("/api/api-keys/{id}")).await.expect(200);
        opens_nothing(&app, &bearer, scope).await;
    }
}

/// Every route of people is closed to this bearer, which was let in before.
async fn opens_nothing(app: &App, bearer: &str, who: &str) {
    for route in surface::routes() {
        if matches!(route.caller, Caller::Person(_) | Caller::SignedIn) {
            app.database().end_windows();
            let answer = knock(app, &route, Some(bearer.as_bytes())).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (401, UNAUTHORIZED),
                "{route:?} as {who}"
            );
        }
    }
}

#[tokio::test]
async fn each_session_may_do_what_its_role_says_until_it_ends() {
    let app = App::start().await;
    for (role, is_device) in [("operator", false), ("operator", true), ("admin", true)] {
        app.database().end_windows();
        let email = format!("{role}-{is_device}@example.org");
        let person = tests::accounts::SignedIn::start(&app, "org-1", &email, role).await;
        let session = if is_device { person.device().await } else { person };
        let bearer = format!("Bearer {}", session.access_token);
        for route in surface::routes() {
            let permitted = match route.caller {
                Caller::Person(permission) => surface::holds(Some(role), permission),
                Caller::SignedIn => !is_device,
                Caller::Anybody | Caller::Device | Caller::Scheduler => continue,
            };
            app.database().end_windows();
            let answer = knock(&app, &route, Some(bearer.as_bytes())).await;
            let refused = matches!(answer.status.as_u16(), 401 | 403);
            assert_eq!(refused, !permitted, "{route:?} as {role}: {}", answer.text());
        }
        session.sign_out().await;
        opens_nothing(&app, &bearer, role).await;
    }
}

#[tokio::test]
async fn whoever_names_another_organisation_is_refused_everywhere() {
    // D-19
    let app = App::start().await;
    let token = Person::admin("org-1").token();
    for route in surface::routes().iter().filter(|it| matches!(it.caller, Caller::Person(_))) {
        let target = format!("{}?org_id=org-2", route.path(NOBODY));
        let request = app.request(route.method.clone(), &target).bearer(&token);
        let answer = request.json(&json!({})).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.error().as_str()),
            (403, "Access denied to this organization"),
            "{route:?}"
        );
    }
}

#[tokio::test]
async fn without_an_organisation_nobody_gets_in() {
    let app = App::start().await;
    let token = Person::new("user_x", None, Some("admin")).token();
    for route in surface::routes().iter().filter(|it| matches!(it.caller, Caller::Person(_))) {
        let authorization = format!("Bearer {token}");
        let answer = knock(&app, route, Some(authorization.as_bytes())).await;
        assert_eq!(answer.status, 403, "{route:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_role_we_do_not_know_only_reads() {
    let app = App::start().await;
    for role in [
        json!("root"),
        json!("Admin"),
        json!("admin "),
        json!(["admin"]),
        json!({"role": "admin"}),
        json!(1),
        json!(null),
    ] {
        let token = Person::new("user_x", Some("org-1"), None)
            .claiming("metadata", json!({"role": role}))
            .token();
        let answer = app.get("/api/agent/admin/tasks").bearer(token).send().await;
        assert_eq!(answer.status, 403, "{role}: {}", answer.text());
    }
    for metadata in [json!("admin"), json!(["role", "admin"]), json!(7)] {
        let token = Person::new("user_x", Some("org-1"), None)
            .claiming("metadata", metadata.clone())
            .token();
        let answer = app.get("/api/agent/admin/tasks").bearer(token).send().await;
        assert_eq!(answer.status, 403, "{metadata}: {}", answer.text());
    }
    // A role elsewhere in the token is none.
    let token = Person::new("user_x", Some("org-1"), None).claiming("role", json!("admin")).token();
    assert_eq!(app.get("/api/agent/admin/tasks").bearer(token).send().await.status, 403);
}

#[tokio::test]
async fn a_cookie_is_no_session() {
    // D-85
    let app = App::start().await;
    let token = Person::admin("org-1").token();
    let answer = app
        .get("/api/agent/admin/agents")
        .header("cookie", format!("__session={token}"))
        .send()
        .await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, UNAUTHORIZED));
}

#[tokio::test]
async fn an_agent_is_nobody_to_operators_and_an_operator_nobody_to_agents() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    for route in surface::routes() {
        let answer = match route.caller {
            Caller::Person(_) | Caller::SignedIn => {
                let request = app.request(route.method.clone(), &route.path(NOBODY));
                request
                    .bearer(&agent.identity.agent_key)
                    .header("x-agent-id", agent.id())
                    .send()
                    .await
            }
            Caller::Device => {
                app.database().end_windows();
                let request = app.request(route.method.clone(), &route.path(NOBODY));
                request
                    .bearer(Person::admin("org-1").token())
                    .header("x-agent-id", agent.id())
                    .send()
                    .await
            }
            Caller::Anybody | Caller::Scheduler => continue,
        };
        assert_eq!(answer.status, 401, "{route:?}");
    }
}

#[tokio::test]
async fn schedulers_are_told_apart_by_their_secret_alone() {
    // B2 406, D-20
    let app = App::start().await;
    let visit = |authorization: Vec<u8>| {
        app.get("/api/cron/maintenance").header("authorization", authorization).send()
    };
    assert_eq!(visit(format!("Bearer {CRON_SECRET}").into_bytes()).await.status, 200);
    assert_eq!(visit(CRON_SECRET.as_bytes().to_vec()).await.status, 200);
    let same_length = "é".repeat(CRON_SECRET.chars().count());
    for wrong in [
        same_length.into_bytes(),
        b"\xff".repeat(CRON_SECRET.len()),
        format!("Bearer {CRON_SECRET} ").into_bytes(),
        format!("bearer {CRON_SECRET}").into_bytes(),
        CRON_SECRET.as_bytes()[1..].to_vec(),
        b"Bearer ".to_vec(),
    ] {
        assert_eq!(visit(wrong.clone()).await.status, 401, "{wrong:?}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request = app.request(method.parse().expect("a method"), "/api/cron/maintenance");
        assert_eq!(request.bearer(CRON_SECRET).send().await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn without_a_secret_nobody_is_a_scheduler() {
    let app = Setup::default().without("cron_secret").start().await;
    for authorization in ["", "Bearer ", "Bearer", CRON_SECRET] {
        let answer =
            app.get("/api/cron/maintenance").header("authorization", authorization).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (401, UNAUTHORIZED),
            "{authorization:?}"
        );
    }
}

//! Who counts as an agent: keys, headers, clocks, and rotation of keys.

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::json;
use tests::{Agent, Answer, App, Request};

const DAY: Duration = Duration::from_hours(24);
const REFUSAL: &str = r#"{"success":false,"error":"Invalid agent credentials"}"#;

const DEVICE_ROUTES: &[(Method, &str)] = &[
    (Method::POST, "/api/agent/heartbeat"),
    (Method::GET, "/api/agent/tasks"),
    (Method::PATCH, "/api/agent/tasks/8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11/status"),
    (Method::POST, "/api/agent/tasks/8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11/result"),
    (Method::GET, "/api/agent/version"),
    (Method::GET, "/api/agent/update"),
    (Method::GET, "/api/agent/binary/x?test_uuid=8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11"),
];

/// A cheap request that only needs to be let in: 204.
fn knock(agent: &Agent) -> Request<'_> {
    agent.get("/api/agent/tasks")
}

#[track_caller]
fn is_refused(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 401, "{why}: {}", answer.text());
    assert_eq!(answer.text(), REFUSAL, "{why}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{why}");
}

fn rfc3339(offset_seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(offset_seconds);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

// A3 36, A3 38
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_its_key_and_a_fresh_clock_is_let_in() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let answer = knock(&agent).send().await.expect(204);
    assert!(answer.body.is_empty());
}

// A3 31–35, A3 42, B2 396
#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_credential_is_turned_away_alike() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let other = app.enroll("org-1").await;
    let key = &agent.identity.agent_key;
    let disabled = app.enroll("org-1").await;
    app.database().execute("UPDATE agents SET status = 'disabled' WHERE id = ?1", [disabled.id()]);

    for (why, request) in [
        ("no key", knock(&agent).without("authorization")),
        ("no agent id", knock(&agent).without("x-agent-id")),
        ("empty agent id", knock(&agent).set("x-agent-id", "")),
        ("two agent ids", knock(&agent).header("x-agent-id", agent.id())),
        ("two keys", knock(&agent).header("authorization", format!("Bearer {key}"))),
        ("a key of another kind", knock(&agent).set("authorization", "Bearer mt_123")),
        (
            "a key without its prefix",
            knock(&agent).set("authorization", format!("Bearer {}", &key[3..])),
        ),
        ("an empty key", knock(&agent).set("authorization", "Bearer ak_")),
        ("a cut key", knock(&agent).set("authorization", format!("Bearer {}", &key[..66]))),
        ("a longer key", knock(&agent).set("authorization", format!("Bearer {key}0"))),
        (
            "an upper-case key",
            knock(&agent).set("authorization", format!("Bearer ak_{}", key[3..].to_uppercase())),
        ),
        ("a lower-case scheme", knock(&agent).set("authorization", format!("bearer {key}"))),
        ("two spaces", knock(&agent).set("authorization", format!("Bearer  {key}"))),
        ("a word too many", knock(&agent).set("authorization", format!("Bearer {key} x"))),
        ("no scheme", knock(&agent).set("authorization", key)),
        ("bytes that are no text", knock(&agent).set("authorization", b"Bearer ak_\xff\xfe")),
        // D-03
        ("three parts of garbage", knock(&agent).set("authorization", "Bearer aaa.bbb.ccc")),
        ("the key of another agent", knock(&agent).set("x-agent-id", other.id())),
        (
            "an unknown agent",
            knock(&agent).set("x-agent-id", "8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11"),
        ),
        ("an id that is none", knock(&agent).set("x-agent-id", "' OR '1'='1")),
        ("an id in upper case", knock(&agent).set("x-agent-id", agent.id().to_uppercase())),
        ("a disabled agent", knock(&disabled)),
    ] {
        is_refused(&request.from([198, 51, 100, 1]).send().await, why);
        app.database().end_windows();
    }
    knock(&agent).send().await.expect(204);
}

// A3 37, A3 39–41, B2 397
#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_when_it_was_made() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let now = jiff::Timestamp::now();
    let accepted = [
        rfc3339(0),
        now.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        now.strftime("%Y-%m-%dT%H:%M:%S.123456789Z").to_string(),
        now.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(5)))
            .strftime("%Y-%m-%dT%H:%M:%S+05:00")
            .to_string(),
        now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        rfc3339(299),
        rfc3339(-290),
    ];
    for timestamp in accepted {
        let answer = knock(&agent).set("x-request-timestamp", &timestamp).send().await;
        assert_eq!(answer.status, 204, "{timestamp}");
    }
    let refused = [
        rfc3339(310),
        rfc3339(-301),
        rfc3339(360),
        rfc3339(-360),
        String::new(),
        "not-a-date".into(),
        now.as_second().to_string(),
        now.as_millisecond().to_string(),
        "2026-02-30T00:00:00Z".into(),
        "9999999999-01-01T00:00:00Z".into(),
    ];
    for timestamp in refused {
        let answer = knock(&agent)
            .set("x-request-timestamp", &timestamp)
            .from([198, 51, 100, 1])
            .send()
            .await;
        is_refused(&answer, &timestamp);
    }
    is_refused(&knock(&agent).without("x-request-timestamp").send().await, "no timestamp");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_route_asks_who_is_there() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let disabled = app.enroll("org-1").await;
    app.database().execute("UPDATE agents SET status = 'disabled' WHERE id = ?1", [disabled.id()]);
    for (method, target) in DEVICE_ROUTES {
        for (why, request) in [
            ("a disabled agent", disabled.request(method.clone(), target)),
            ("nothing", Request::new(app.server(), method.clone(), target)),
            (
                "a wrong key",
                agent
                    .request(method.clone(), target)
                    .set("authorization", format!("Bearer ak_{}", "0".repeat(64))),
            ),
            (
                "a stale clock",
                agent.request(method.clone(), target).set("x-request-timestamp", rfc3339(-400)),
            ),
        ] {
            // Authentication comes before the body is judged.
            let request = request.json(&json!({})).from([198, 51, 100, 1]);
            is_refused(&request.send().await, &format!("{method} {target} with {why}"));
        }
        app.database().end_windows();
    }
}

// B2 395, D-04: here an unknown path is unknown to everybody.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_not_found_and_a_wrong_method_is_named() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let expected =
        r#"{"success":false,"error":"Not Found","message":"Cannot GET /api/agent/zzz?a=1"}"#;
    assert_eq!(agent.get("/api/agent/zzz?a=1").send().await.expect(404).text(), expected);
    assert_eq!(app.get("/api/agent/zzz?a=1").send().await.expect(404).text(), expected);
    let answer = agent.get("/api/agent/heartbeat").send().await.expect(405);
    assert!(answer.header("allow").unwrap().contains("POST"), "{:?}", answer.headers);
}

// D-01
#[tokio::test(flavor = "multi_thread")]
async fn the_device_tier_can_call_nobody() {
    let app = App::start().await;
    let text = std::fs::read_to_string(tests::application::root().join("spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    for component in ["agent", "public", "cron-maintenance"] {
        assert!(app.application().manifest().component(component).is_some());
        assert!(
            manifest["component"][component].get("allowed_outbound_hosts").is_none(),
            "{component}"
        );
    }
}

// A3 44, A3 45, A3 47, A9 103, A9 105, A9 107, A9 109
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_takes_over_when_it_is_first_used() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    let mut renewed = agent.clone();
    renewed.identity.agent_key = admin.rotate_key(agent.id()).await;
    let mut stranger = agent.clone();
    stranger.identity.agent_key = format!("ak_{}", "7".repeat(64));

    knock(&agent).send().await.expect(204);
    is_refused(&knock(&stranger).send().await, "a third key");
    assert_eq!(admin.agent(agent.id()).await["rotation_pending"], true);
    let rotated_at = "SELECT key_rotated_at FROM agents";
    assert_eq!(app.database().value::<Option<i64>>(rotated_at, []), None);

    knock(&renewed).send().await.expect(204);
    assert_eq!(admin.agent(agent.id()).await["rotation_pending"], false);
    assert!(app.database().value::<Option<i64>>(rotated_at, []).is_some());
    // B4 418
    is_refused(&knock(&agent).send().await, "the old key after its successor was used");
    knock(&renewed).send().await.expect(204);
}

// A3 46, D-13
#[tokio::test(flavor = "multi_thread")]
async fn no_time_ends_a_rotation_but_the_use_of_the_new_key() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let key = app.admin("org-1").rotate_key(agent.id()).await;
    app.database().age_agent(agent.id(), 30 * DAY);
    knock(&agent).send().await.expect(204);
    agent.identity.agent_key = key;
    knock(&agent).send().await.expect(204);
    let pending = "SELECT count(*) FROM agents WHERE pending_key_digest IS NULL AND rotation_started_at IS NULL";
    assert_eq!(app.database().value::<i64>(pending, []), 1);
}

// D-16
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_or_disabled_request_does_not_end_a_rotation() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.identity.agent_key = app.admin("org-1").rotate_key(agent.id()).await;
    let is_pending =
        || app.database().value::<bool>("SELECT pending_key_digest IS NOT NULL FROM agents", []);

    is_refused(&knock(&agent).set("x-request-timestamp", rfc3339(-400)).send().await, "stale");
    assert!(is_pending());
    app.database().execute("UPDATE agents SET status = 'disabled'", []);
    is_refused(&knock(&agent).send().await, "disabled");
    assert!(is_pending());
    app.database().execute("UPDATE agents SET status = 'active'", []);
    knock(&agent).send().await.expect(204);
    assert!(!is_pending());
}

// Whatever the agent says first with its new key, after §8.8 most likely a result.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_use_of_a_new_key_may_be_any_request() {
    let app = App::start().await;
    let admin = app.admin("org-1");
    for (method, target) in DEVICE_ROUTES {
        let mut agent = app.enroll("org-1").await;
        let task = admin.order_command(agent.id(), "id").await;
        let sql = "UPDATE tasks SET status = 'executing', assigned_at = created_at WHERE id = ?1";
        app.database().execute(sql, [&task]);
        agent.identity.agent_key = admin.rotate_key(agent.id()).await;
        let target = target.replace("8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11", &task);
        let mut body = agent.heartbeat_body(None);
        body["exit_code"] = json!(7);
        if target.ends_with("/status") {
            body["status"] = json!("executing");
        }
        let answer = agent.request(method.clone(), &target).json(&body).send().await;
        assert!([200, 204, 404].contains(&answer.status.as_u16()), "{target}: {}", answer.text());
        assert_eq!(admin.agent(agent.id()).await["rotation_pending"], false, "{target}");
        if target.ends_with("/result") {
            assert_eq!(admin.task(&task).await["result"]["exit_code"], 7);
        }
    }
}

// §7.4: racing promotions.
#[tokio::test(flavor = "multi_thread")]
async fn many_first_uses_of_a_new_key_at_once_are_one_promotion() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    agent.identity.agent_key = app.admin("org-1").rotate_key(agent.id()).await;
    let answers = join_all((0..12).map(|_| knock(&agent).send())).await;
    assert!(answers.iter().all(|it| it.status == 204), "{answers:?}");
    knock(&agent).send().await.expect(204);
    let sql = "SELECT count(*) FROM agents WHERE pending_key_digest IS NULL AND key_rotated_at IS NOT NULL
                  AND previous_key_digest <> key_digest";
    assert_eq!(app.database().value::<i64>(sql, []), 1);
}

// D-44, A9 108
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_handed_out_is_never_replaced_before_it_was_used() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    let handed_out = admin.rotate_key(agent.id()).await;
    assert_eq!(admin.rotate_key(agent.id()).await, handed_out);
    agent.heartbeat().await;
    assert_eq!(agent.identity.agent_key, handed_out);
    assert_eq!(admin.rotate_key(agent.id()).await, handed_out);
    knock(&agent).send().await.expect(204);

    app.database().end_windows();
    assert_ne!(admin.rotate_key(agent.id()).await, handed_out);
}

// D-44
#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_at_once_hand_out_one_key() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let (admin, colleague) = (app.admin("org-1"), app.admin("org-1"));
    let (one, other) = tokio::join!(admin.rotate_key(agent.id()), colleague.rotate_key(agent.id()));
    assert_eq!(one, other);
    let events = app.database().events(agent.id());
    assert_eq!(events.iter().filter(|it| it.0 == "key_rotated").count(), 1, "{events:?}");
}

// D-66
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_lost_its_new_key_is_recovered_by_another_rotation() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    admin.rotate_key(agent.id()).await;
    agent.disk.fail();
    agent.heartbeat().await;
    agent.heartbeat().await;

    let mut restarted = agent.restarted();
    is_refused(&knock(&restarted).send().await, "the key on disk");
    let key = admin.rotate_key(agent.id()).await;
    restarted.heartbeat().await;
    assert_eq!(restarted.identity.agent_key, key);
    knock(&restarted).send().await.expect(204);
}

// D-66: bounded.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_is_possible_for_a_week() {
    let app = App::start().await;
    let mut agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    admin.rotate_key(agent.id()).await;
    let restarted = agent.restarted();
    agent.heartbeat().await;
    agent.heartbeat().await;
    admin.rotate_key(agent.id()).await;
    app.database().age_agent(agent.id(), 6 * DAY);
    knock(&restarted).send().await.expect(204);
    app.database().age_agent(agent.id(), DAY + Duration::from_mins(1));
    is_refused(&knock(&restarted).send().await, "a week later");
}

// D-64
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_turned_away_is_visible_until_it_is_let_in_again() {
    let app = App::start().await;
    let agent = app.enroll("org-1").await;
    let admin = app.admin("org-1");
    assert_eq!(admin.agent(agent.id()).await["rejected_since"], json!(null));
    let mut wrong = agent.clone();
    wrong.identity.agent_key = format!("ak_{}", "0".repeat(64));
    is_refused(&knock(&wrong).send().await, "a wrong key");
    let since = admin.agent(agent.id()).await["rejected_since"].clone();
    assert!(since.is_string(), "{since}");
    is_refused(&knock(&wrong).send().await, "a wrong key, again");
    assert_eq!(admin.agent(agent.id()).await["rejected_since"], since);
    knock(&agent).send().await.expect(204);
    assert_eq!(admin.agent(agent.id()).await["rejected_since"], json!(null));
}

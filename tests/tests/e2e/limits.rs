//! Budgets: who is counted, by what, and who never pays for others.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::{Agent, Answer, App, Machine, Request, Setup};

const ORG: &str = "org-1";
const NAT: [u8; 4] = [203, 0, 113, 7];

fn knock(agent: &Agent) -> Request<'_> {
    agent.get("/api/agent/tasks")
}

async fn exhaust(agent: &Agent) {
    for n in 0..30 {
        assert_eq!(knock(agent).send().await.status, 204, "request {n}");
    }
}

fn enrollment() -> Value {
    json!({ "token": "acht_0", "hostname": "h", "os": "linux", "arch": "amd64", "agent_version": "1" })
}

/// Keys of all windows that are open.
fn keys(app: &App) -> Vec<String> {
    let text = "SELECT coalesce(json_group_array(key), '[]') FROM (SELECT key FROM rate_limits ORDER BY key)";
    serde_json::from_value(app.database().json(text, [])).expect("keys are text")
}

// B1 393, B1 394, §1.5
#[tokio::test(flavor = "multi_thread")]
async fn the_thirty_first_request_of_a_minute_waits() {
    let app = App::start().await;
    let (agent, neighbour) = (app.enroll(ORG).await, app.enroll(ORG).await);
    exhaust(&agent).await;
    let answer = knock(&agent).send().await;
    let wait: u64 = answer.header("retry-after").expect("a wait").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit-reset").map(str::to_owned), Some(wait.to_string()));
    assert_snapshot!(answer.shown(&["ratelimit-policy", "ratelimit-limit", "ratelimit-remaining"]), @r#"
    429
    ratelimit-policy: 30;w=60
    ratelimit-limit: 30
    ratelimit-remaining: 0
    {"success":false,"error":"Too many agent requests, try again later"}
    "#);
    // Its neighbour behind the same address has a budget of its own.
    knock(&neighbour).send().await.expect(204);
    app.database().age_agent(agent.id(), Duration::from_secs(61));
    let answer = knock(&agent).send().await.expect(204);
    assert_eq!(answer.header("ratelimit-remaining"), Some("29"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_for_a_request_over_budget() {
    let app = App::start().await;
    let mut agent = app.enroll(ORG).await;
    let id = app.admin(ORG).order_command(agent.id(), "id").await;
    app.database()
        .execute("UPDATE agents SET budget_used = 30, budget_started_at = unixepoch() * 1000", []);
    knock(&agent).send().await.expect(429);
    assert_eq!(app.admin(ORG).task(&id).await["status"], "pending");
    agent.heartbeat().await;
    assert!(app.database().value::<bool>("SELECT last_heartbeat_at IS NULL FROM agents", []));
}

// D-06: the budget is shared by all instances.
#[tokio::test(flavor = "multi_thread")]
async fn every_instance_counts_in_the_same_place() {
    let app = Setup::default()
        .options(|options| {
            options.max_instance_reuse = 1;
            options.max_instance_concurrency = 1;
        })
        .start()
        .await;
    let agent = app.enroll(ORG).await;
    exhaust(&agent).await;
    knock(&agent).send().await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_requests_at_once_thirty_are_let_in() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let answers = join_all((0..40).map(|_| knock(&agent).send())).await;
    let with = |status: u16| answers.iter().filter(|it| it.status == status).count();
    assert_eq!((with(204), with(429)), (30, 10), "{answers:?}");
}

// D-08
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_results_has_a_budget_of_its_own() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    exhaust(&agent).await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let body = json!({
        "task_id": unknown, "test_uuid": "", "exit_code": 0, "stdout": "", "stderr": "", "started_at": "",
        "completed_at": "", "execution_duration_ms": 0, "binary_sha256": "", "hostname": "", "os": "", "arch": "",
    });
    let path = format!("/api/agent/tasks/{unknown}/result");
    for n in 0..100 {
        assert_eq!(agent.post(&path, &body).send().await.status, 404, "result {n}");
    }
    app.database().execute("UPDATE agents SET results_used = 300", []);
    let answer = agent.post(&path, &body).send().await.expect(429);
    assert_eq!(answer.header("ratelimit-policy"), Some("300;w=60"));
    app.database().end_windows();
    knock(&agent).send().await.expect(204);
}

// D-69
#[tokio::test(flavor = "multi_thread")]
async fn an_office_behind_one_address_is_not_throttled() {
    let app = App::start().await;
    let token = app.admin(ORG).mint(25).await;
    let mut fleet = Vec::new();
    for n in 0..25 {
        let machine =
            Machine { hostname: format!("ws-{n}"), address: NAT.into(), ..Machine::default() };
        fleet.push(Agent::enroll(app.server(), machine, &token).await.unwrap());
    }
    for _ in 0..10 {
        let answers = join_all(fleet.iter().map(|it| knock(it).send())).await;
        assert!(answers.iter().all(|it| it.status == 204), "{answers:?}");
    }
}

fn with_wrong_key(agent: &Agent) -> Request<'_> {
    knock(agent).set("authorization", format!("Bearer ak_{}", "0".repeat(64)))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_keys_is_stopped_and_the_agent_is_not() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let attacker = [198, 51, 100, 66];
    for _ in 0..30 {
        with_wrong_key(&agent).from(attacker).send().await.expect(401);
    }
    let answer = with_wrong_key(&agent).from(attacker).send().await.expect(429);
    assert_eq!(answer.error(), "Too many agent requests, try again later");
    // Neither the agent itself nor another stranger pays for that.
    knock(&agent).send().await.expect(204);
    with_wrong_key(&agent).from([198, 51, 100, 67]).send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_invents_agents_is_stopped_by_address() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let attacker = [198, 51, 100, 66];
    let mut statuses = Vec::new();
    for n in 0..40 {
        let invented = format!("00000000-0000-4000-8000-{n:012}");
        let answer = with_wrong_key(&agent).set("x-agent-id", invented).from(attacker).send().await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses[..30], [401; 30]);
    assert_eq!(statuses[30..], [429; 10]);
    // The agents of that same address are let in.
    knock(&agent).from(attacker).send().await.expect(204);
    assert_eq!(
        keys(&app).iter().filter(|it| it.starts_with("device:")).count(),
        1,
        "{:?}",
        keys(&app)
    );
}

// §1.5
#[tokio::test(flavor = "multi_thread")]
async fn enrollments_are_counted_by_address() {
    let app = App::start().await;
    let attempt = async |from: IpAddr| {
        app.post("/api/agent/enroll").from(from).json(&enrollment()).send().await
    };
    let attacker = Ipv4Addr::new(198, 51, 100, 66).into();
    let first: Answer = attempt(attacker).await.expect(401);
    assert_eq!(first.header("ratelimit-policy"), Some("300;w=900"));
    let sql = "UPDATE rate_limits SET used = 299 WHERE key = 'enroll:198.51.100.66'";
    assert_eq!(app.database().execute(sql, []), 1);
    attempt(attacker).await.expect(401);
    let refused = attempt(attacker).await;
    assert!(refused.header("retry-after").is_some());
    assert_snapshot!(refused.shown(&["ratelimit-policy", "ratelimit-remaining"]), @r#"
    429
    ratelimit-policy: 300;w=900
    ratelimit-remaining: 0
    {"success":false,"error":"Too many enrollment attempts, try again later"}
    "#);
    attempt(Ipv4Addr::new(198, 51, 100, 67).into()).await.expect(401);
    // The window ends.
    app.database().execute(
        "UPDATE rate_limits SET started_at = started_at - 900000, expires_at = expires_at - 900000",
        [],
    );
    attempt(attacker).await.expect(401);
}

fn shown(answer: &Answer) -> [Option<&str>; 3] {
    ["ratelimit-policy", "ratelimit-remaining", "retry-after"].map(|it| answer.header(it))
}

// §1.5
#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_ask_for_in_vain_is_counted_too() {
    let app = App::start().await;
    let garbage = |number: usize| {
        let request = app.post("/api/agent/enroll").from(NAT);
        match number % 4 {
            0 => request.json(&json!({"token": "t"})),
            1 => request.set("content-type", "application/json").raw_body("{"),
            2 => request.set("content-type", "application/json").raw_body("x".repeat(11 << 20)),
            _ => request.json(&enrollment()).header("content-encoding", "br"),
        }
    };
    for number in 0..4 {
        let answer = garbage(number).send().await;
        assert!(matches!(answer.status.as_u16(), 400 | 413 | 415), "{number}: {}", answer.status);
        let remaining = (299 - number).to_string();
        assert_eq!(shown(&answer), [Some("300;w=900"), Some(remaining.as_str()), None]);
    }
    for number in 0..3 {
        let path = [
            "/api/agent/download",
            "/api/agent/download?os=plan9&arch=amd64",
            "/api/agent/download?os=linux&arch=amd64&org_id=a&org_id=b",
        ][number];
        let answer = app.get(path).from(NAT).send().await.expect(400);
        let remaining = (299 - number).to_string();
        assert_eq!(shown(&answer), [Some("300;w=900"), Some(remaining.as_str()), None], "{path}");
    }
    app.database().execute("UPDATE rate_limits SET used = 300", []);
    for (answer, error) in [
        (garbage(0).send().await, "Too many enrollment attempts, try again later"),
        (
            app.get("/api/agent/download").from(NAT).send().await,
            "Too many download requests, try again later",
        ),
    ] {
        let answer = answer.expect(429);
        assert_eq!(answer.error(), error);
        assert!(answer.header("retry-after").is_some());
    }
}

// D-08, D-68: what is wrong with results costs no polls.
#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_refused_are_counted_as_results() {
    let app = App::start().await;
    let agent = app.enroll(ORG).await;
    let path = "/api/agent/tasks/00000000-0000-4000-8000-000000000000/result";
    let invalid = json!({"exit_code": "none"});
    for number in 0..35 {
        let answer = if number < 30 {
            agent.post(path, &invalid).send().await
        } else {
            let oversize = vec![b' '; (16 << 20) + 1];
            agent.request(http::Method::POST, path).raw_body(oversize).send().await
        };
        assert_eq!(answer.status, 400, "result {number}: {}", answer.text());
        let remaining = (299 - number).to_string();
        assert_eq!(shown(&answer), [Some("300;w=60"), Some(remaining.as_str()), None]);
    }
    let answer = knock(&agent).send().await.expect(204);
    assert_eq!(answer.header("ratelimit-remaining"), Some("29"));
    // Whoever cannot prove itself learns nothing of what is wrong, and spends nothing of the agent's.
    let mut stranger = agent.clone();
    stranger.identity.agent_key = format!("ak_{}", "0".repeat(64));
    stranger.post(path, &invalid).send().await.expect(401);
    assert_eq!(app.database().value::<i64>("SELECT results_used FROM agents", []), 35);
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_counted_by_address() {
    let app = App::start().await;
    let download =
        async || app.get("/api/agent/download?os=linux&arch=amd64").from(NAT).send().await;
    let first: Answer = download().await.expect(404);
    assert_eq!(first.header("ratelimit-policy"), Some("300;w=900"));
    app.database().execute("UPDATE rate_limits SET used = 300", []);
    let refused: Answer = download().await.expect(429);
    assert_eq!(refused.error(), "Too many download requests, try again later");
}

// D-06: many at once count as many.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_at_once_are_all_counted() {
    let app = App::start().await;
    let attempt = || app.post("/api/agent/enroll").from(NAT).json(&enrollment()).send();
    attempt().await.expect(401);
    app.database().execute("UPDATE rate_limits SET used = 290", []);
    let answers = join_all((0..20).map(|_| attempt())).await;
    let refused = answers.iter().filter(|it| it.status == 429).count();
    assert_eq!(refused, 10, "{answers:?}");
}

// A5 56–60, §10.6
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_the_peers_whatever_is_claimed() {
    let app = App::start().await;
    for (peer, expected) in [
        ("203.0.113.7", "enroll:203.0.113.7"),
        ("::ffff:203.0.113.7", "enroll:203.0.113.7"),
        ("2001:db8:abcd:12::1", "enroll:2001:db8:abcd::/56"),
        ("2001:db8:abcd:12::ffff", "enroll:2001:db8:abcd::/56"),
        ("::1", "enroll:::/56"),
    ] {
        app.database().end_windows();
        let request =
            app.post("/api/agent/enroll").from(peer.parse::<IpAddr>().unwrap()).json(&enrollment());
        let request = request
            .header("x-forwarded-for", "6.6.6.6")
            .header("x-real-ip", "6.6.6.6")
            .header("forwarded", "for=6.6.6.6")
            .header("spin-client-addr", "6.6.6.6:1234");
        request.send().await.expect(401);
        assert_eq!(keys(&app), [expected], "{peer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_address_is_the_one_it_saw() {
    for (proxies, forwarded, expected) in [
        ("1", vec!["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("1", vec!["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("2", vec!["6.6.6.6, 198.51.100.1, 10.0.0.9"], "198.51.100.1"),
        ("1", vec!["2001:db8:abcd:12::1"], "2001:db8:abcd::/56"),
        ("1", vec!["198.51.100.1:4711"], "198.51.100.1"),
        // Without the header the peer is whom we see.
        ("1", vec![], "203.0.113.7"),
        ("2", vec!["6.6.6.6"], "203.0.113.7"),
    ] {
        let app = Setup::default().with("trusted_proxies", proxies).start().await;
        let mut request = app.post("/api/agent/enroll").from(NAT).json(&enrollment());
        for value in &forwarded {
            request = request.header("x-forwarded-for", value);
        }
        request.send().await.expect(401);
        assert_eq!(keys(&app), [format!("enroll:{expected}")], "{proxies} {forwarded:?}");
    }
}

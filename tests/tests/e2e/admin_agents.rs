//! The fleet as operators see it: lists, filters, pages, details and key rotation (fleet.md §5.4).

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Answer, App, Machine, Person, agent::Heard};

const AGENTS: &str = "/api/agent/admin/agents";

async fn ask(app: &App, query: &str) -> Answer {
    app.get(&format!("{AGENTS}{query}")).bearer(Person::operator("org-1").token()).send().await
}

/// Host names of a page, in its order, and the total.
async fn list(app: &App, query: &str) -> (Vec<String>, u64) {
    let data = ask(app, query).await.expect(200).data();
    let names = data["agents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["hostname"].as_str().expect("text"));
    (names.map(str::to_owned).collect(), data["total"].as_u64().expect("a number"))
}

async fn enroll(app: &App, hostname: &str) -> Agent {
    app.enroll_machine("org-1", Machine { hostname: hostname.into(), ..Machine::default() }).await
}

async fn rotate(app: &App, id: &str) -> Answer {
    app.post(&format!("{AGENTS}/{id}/rotate-key"))
        .bearer(Person::operator("org-1").token())
        .send()
        .await
}

#[tokio::test]
async fn an_agent_that_never_reported_is_offline() {
    // B4 423, D-25
    let app = App::start().await;
    let agent = enroll(&app, "ws-1").await;
    let page = ask(&app, "").await.expect(200);
    let expected = json!({
        "id": agent.id(), "org_id": "org-1", "hostname": "ws-1", "os": "linux", "arch": "amd64",
        "agent_version": "0.6.2", "status": "active", "runtime_status": "offline", "last_heartbeat": "",
        "tags": [], "is_online": false, "rotation_pending": false, "rejected_since": null,
        // Samples are 40 of 100 points, and there is none.
        "health_score": 60, "is_stale": false, "duplicate": false,
    });
    assert_eq!(page.data(), json!({ "agents": [expected], "total": 1, "next_cursor": null }));

    let detail = ask(&app, &format!("/{}", agent.id())).await.expect(200).data();
    assert_eq!(
        (&detail["last_heartbeat"], &detail["last_heartbeat_data"]),
        (&json!(""), &Value::Null)
    );
    for field in ["enrolled_at", "created_at", "updated_at"] {
        assert!(detail[field].as_str().is_some_and(|it| it.ends_with('Z')), "{field}: {detail}");
    }
    let token: String = app.database().value("SELECT id FROM enrollment_tokens", []);
    assert_eq!((&detail["enrolled_by"], &detail["org_id"]), (&json!(token), &json!("org-1")));
}

#[tokio::test]
async fn what_an_agent_reports_is_shown() {
    let app = App::start().await;
    let mut agent = enroll(&app, "ws-1").await;
    agent.machine.version = "0.7.0".into();
    let body = agent.heartbeat_body(None);
    agent.post("/api/agent/heartbeat", &body).send().await.expect(200);
    let detail = ask(&app, &format!("/{}", agent.id())).await.expect(200).data();
    assert_eq!(detail["last_heartbeat_data"], body);
    assert_eq!(
        (&detail["agent_version"], &detail["rotation_pending"]),
        (&json!("0.7.0"), &json!(false))
    );
    let page = ask(&app, "?online_only=true").await.expect(200).data();
    assert_eq!(
        (&page["agents"][0]["runtime_status"], &page["agents"][0]["is_online"]),
        (&json!("idle"), &json!(true))
    );
    for status in ["executing", "updating", "error", "idle", "offline"] {
        let mut body = agent.heartbeat_body(None);
        body["status"] = json!(status);
        agent.post("/api/agent/heartbeat", &body).send().await.expect(200);
        let page = ask(&app, "").await.expect(200).data();
        assert_eq!(page["agents"][0]["runtime_status"], status);
    }
}

#[tokio::test]
async fn an_agent_is_online_for_three_minutes_and_only_while_it_is_active() {
    // D-84
    let app = App::start().await;
    let mut agent = enroll(&app, "ws-1").await;
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: false });
    let id = agent.id().to_owned();
    let shown = async || {
        let data = ask(&app, "").await.expect(200).data();
        let detail = ask(&app, &format!("/{id}")).await.expect(200).data();
        let listed = data["agents"][0].clone();
        assert_eq!(detail["is_online"], listed["is_online"]);
        let only = list(&app, "?online_only=true").await.1;
        assert_eq!(only == 1, listed["is_online"] == true);
        (listed["is_online"].as_bool().expect("a boolean"), listed["runtime_status"].clone())
    };
    app.database().age_agent(agent.id(), Duration::from_secs(170));
    assert_eq!(shown().await, (true, json!("idle")));
    app.database().age_agent(agent.id(), Duration::from_secs(10));
    assert_eq!(shown().await, (false, json!("offline")));
    agent.heartbeat().await;
    assert!(shown().await.0);
    let admin = app.admin("org-1");
    admin.patch(&format!("{AGENTS}/{id}"), &json!({"status": "disabled"})).await.expect(200);
    assert_eq!(shown().await, (false, json!("offline")));
}

#[tokio::test]
async fn the_list_is_sorted_by_the_last_heartbeat_and_the_never_seen_come_last() {
    let app = App::start().await;
    for name in ["never", "old", "new", "middle"] {
        enroll(&app, name).await;
    }
    for (name, age) in [("old", 3000), ("new", 10), ("middle", 200)] {
        let sql = "UPDATE agents SET last_heartbeat_at = ?2 WHERE hostname = ?1";
        let instant = jiff::Timestamp::now().as_millisecond() - age * 1000;
        app.database().execute(sql, (name, instant));
    }
    assert_eq!(list(&app, "").await.0, ["new", "middle", "old", "never"]);
    assert_eq!(list(&app, "?limit=2").await, (vec!["new".into(), "middle".into()], 4));
    assert_eq!(list(&app, "?limit=2&offset=2").await, (vec!["old".into(), "never".into()], 4));
    assert_eq!(list(&app, "?limit=2&offset=3").await, (vec!["never".into()], 4));
    // B4 422
    assert_eq!(list(&app, "?limit=0").await, (vec![], 4));
    assert_eq!(list(&app, "?limit=500&offset=2147483647").await, (vec![], 4));
}

#[tokio::test]
async fn every_agent_is_on_exactly_one_page() {
    let app = App::start().await;
    let token = app.admin("org-1").mint(60).await;
    for index in 0..60 {
        let machine = Machine { hostname: format!("ws-{index:02}"), ..Machine::default() };
        Agent::enroll(app.server(), machine, &token).await.expect("it enrolls");
    }
    // All at the same instant: only a total order keeps the pages apart.
    app.database()
        .execute("UPDATE agents SET last_heartbeat_at = 1, created_at = 1, enrolled_at = 1", []);
    assert_eq!(list(&app, "").await.0.len(), 50);
    let mut seen = Vec::new();
    for offset in (0..70).step_by(7) {
        let (names, total) = list(&app, &format!("?limit=7&offset={offset}")).await;
        assert_eq!(total, 60);
        seen.extend(names);
    }
    seen.sort();
    let expected: Vec<_> = (0..60).map(|it| format!("ws-{it:02}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let app = App::start().await;
    let machine = |name: &str, os, arch| Machine { hostname: name.into(), ..Machine::of(os, arch) };
    let windows = app.enroll_machine("org-1", machine("win-1", "windows", "amd64")).await;
    let linux = app.enroll_machine("org-1", machine("lin-1", "linux", "amd64")).await;
    let mut mac = app.enroll_machine("org-1", machine("mac-1", "darwin", "arm64")).await;
    assert_eq!(list(&app, "?os=windows").await, (vec!["win-1".into()], 1));
    assert_eq!(list(&app, "?hostname=N-1").await.1, 2);
    assert_eq!(list(&app, "?hostname=MAC").await, (vec!["mac-1".into()], 1));
    assert_eq!(list(&app, "?os=windows&hostname=lin").await.1, 0);
    // B4 422
    for query in ["?status=bogus", "?os=bogus", "?os=Windows", "?os=windows%20"] {
        assert_eq!(list(&app, query).await, (vec![], 0), "{query}");
    }
    // A filter without a value is none.
    for query in ["?status=", "?os=", "?hostname=", "?tag=", "?status=active"] {
        assert_eq!(list(&app, query).await.1, 3, "{query}");
    }
    let admin = app.admin("org-1");
    let off = json!({"status": "disabled"});
    admin.patch(&format!("{AGENTS}/{}", windows.id()), &off).await.expect(200);
    admin.delete(&format!("{AGENTS}/{}", linux.id())).await.expect(200);
    admin.order_uninstall(mac.id(), false).await;
    mac.work().await;
    // Without the filter those that are gone are left out.
    assert_eq!(list(&app, "").await, (vec!["win-1".into()], 1));
    assert_eq!(list(&app, "?status=active").await, (vec![], 0));
    assert_eq!(list(&app, "?status=disabled").await, (vec!["win-1".into()], 1));
    assert_eq!(list(&app, "?status=decommissioned").await, (vec!["lin-1".into()], 1));
    assert_eq!(list(&app, "?status=uninstalled").await, (vec!["mac-1".into()], 1));
}

#[tokio::test]
async fn wildcards_of_the_database_are_letters_like_any_other() {
    // D-38
    let app = App::start().await;
    for name in ["100%", "a_b", "axb", "back\\slash", "quote'd", "plain", "[x]", "*"] {
        enroll(&app, name).await;
    }
    for (query, expected) in [
        ("%25", vec!["100%"]),
        ("_", vec!["a_b"]),
        ("a_b", vec!["a_b"]),
        ("%5C", vec!["back\\slash"]),
        ("%27", vec!["quote'd"]),
        ("%5Bx%5D", vec!["[x]"]),
        ("*", vec!["*"]),
        ("%27%20OR%20%271%27=%271", vec![]),
        ("%%2525", vec![]),
    ] {
        let answer = ask(&app, &format!("?hostname={query}")).await;
        if answer.status == 400 {
            assert_eq!(query, "%%2525");
            continue;
        }
        assert_eq!(list(&app, &format!("?hostname={query}")).await.0, expected, "{query}");
    }
}

#[tokio::test]
async fn a_tag_is_matched_as_a_whole() {
    // D-38
    let app = App::start().await;
    for (name, tags) in [
        ("one", json!(["abc"])),
        ("two", json!(["a", "finance"])),
        ("three", json!(["a%c", "say \"hi\""])),
        ("four", json!(["кот", "A"])),
    ] {
        let path = format!("{AGENTS}/{}", enroll(&app, name).await.id());
        app.admin("org-1").patch(&path, &json!({ "tags": tags })).await.expect(200);
    }
    for (tag, expected) in [
        ("a", vec!["two"]),
        ("abc", vec!["one"]),
        ("ab", vec![]),
        ("a%25c", vec!["three"]),
        ("say%20%22hi%22", vec!["three"]),
        ("%D0%BA%D0%BE%D1%82", vec!["four"]),
        ("%22", vec![]),
        ("%25", vec![]),
    ] {
        assert_eq!(list(&app, &format!("?tag={tag}")).await.0, expected, "{tag}");
    }
    let page = ask(&app, "?tag=finance").await.expect(200).data();
    assert_eq!(page["agents"][0]["tags"], json!(["a", "finance"]));
}

#[tokio::test]
async fn numbers_in_the_query_are_numbers() {
    // D-11
    let app = App::start().await;
    enroll(&app, "ws-1").await;
    for query in [
        "limit=abc",
        "limit=-1",
        "limit=501",
        "limit=1.5",
        "limit=10abc",
        "limit=1e1",
        "limit=0x10",
        "limit=%2B1",
        "limit=99999999999999999999",
        "limit=NaN",
        "limit=Infinity",
        "offset=-1",
        "offset=abc",
        "offset=1.0",
        "offset=4294967296",
        "offset=9223372036854775808",
        "limit=%201",
        "limit=%D9%A1",
    ] {
        let answer = ask(&app, &format!("?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        let name = query.split('=').next().expect("a name");
        assert_eq!(answer.json()["details"][0]["path"], name, "{query}");
    }
    for query in [
        "limit=1&limit=2",
        "limit[]=1",
        "limit[a]=1",
        "hostname=a&hostname=b",
        "hostname[x]=y",
        "os[]=linux",
        "tag[a][b]=c",
        "status=active&status=disabled",
        "online_only=true&online_only=false",
    ] {
        let answer = ask(&app, &format!("?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    for query in [
        "unknown=1",
        "unknown[a]=1&unknown[a]=2",
        "online_only=false",
        "limit=1",
        "&&",
        "=",
        "limit=500",
    ] {
        assert_eq!(list(&app, &format!("?{query}")).await.1, 1, "{query}");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_not_found() {
    let app = App::start().await;
    for id in ["nobody", "00000000-0000-4000-8000-000000000000", "%25", "'--", &"x".repeat(5000)] {
        assert_eq!(
            ask(&app, &format!("/{id}")).await.expect(404).error(),
            "Agent not found",
            "{id}"
        );
        assert_eq!(rotate(&app, id).await.expect(404).error(), "Agent not found", "{id}");
        app.database().end_windows();
    }
}

#[tokio::test]
async fn a_rotated_key_is_shown_once_more_until_the_agent_uses_it() {
    // A9 102–107, A10, B4 417, 418, D-13, D-44
    let app = App::start().await;
    let mut agent = enroll(&app, "ws-1").await;
    let first = rotate(&app, agent.id()).await.expect(200);
    insta::assert_snapshot!(
        first.shown(&["ratelimit-policy", "ratelimit-remaining"]),
        @r#"
    200
    ratelimit-policy: 3;w=900
    ratelimit-remaining: 2
    {"success":true,"data":{"agent_id":"[uuid]","agent_key":"[agent key]","rotated_at":"[instant]","warning":"Copy this key as a backup. The agent will receive it automatically via heartbeat within ~60 seconds."}}
    "#
    );
    let pending =
        async || ask(&app, "").await.expect(200).data()["agents"][0]["rotation_pending"].clone();
    assert_eq!(pending().await, true);
    // A second rotation does not replace a key that may have been handed out.
    let second = rotate(&app, agent.id()).await.expect(200);
    assert_eq!(first.data()["agent_key"], second.data()["agent_key"]);

    let old = agent.identity.agent_key.clone();
    assert_ne!(first.data()["agent_key"], json!(old));
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: true });
    assert_eq!(json!(agent.identity.agent_key), first.data()["agent_key"]);
    assert_eq!(pending().await, true);
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 200, adopted_key: false });
    assert_eq!(pending().await, false);
    agent
        .get("/api/agent/tasks")
        .set("authorization", format!("Bearer {old}"))
        .send()
        .await
        .expect(401);
    // The key is kept sealed, never in clear.
    let key = agent.identity.agent_key.clone();
    rotate(&app, agent.id()).await.expect(200);
    let database = std::fs::read(app.state_dir().join("sqlite_db.db")).expect("a file");
    let wal = std::fs::read(app.state_dir().join("sqlite_db.db-wal")).unwrap_or_default();
    for bytes in [database, wal] {
        assert!(!bytes.windows(key.len()).any(|it| it == key.as_bytes()));
        assert!(
            !bytes
                .windows(3 + 16)
                .any(|it| it.starts_with(b"ak_") && it[3..].iter().all(u8::is_ascii_hexdigit))
        );
    }
}

#[tokio::test]
async fn one_persons_rotations_do_not_exhaust_anothers() {
    // D-73
    let app = App::start().await;
    let (one, other) = (enroll(&app, "one").await, enroll(&app, "other").await);
    for remaining in ["2", "1", "0"] {
        let answer = rotate(&app, one.id()).await.expect(200);
        assert_eq!(answer.header("ratelimit-remaining"), Some(remaining));
    }
    let answer = rotate(&app, one.id()).await.expect(429);
    assert_eq!(answer.error(), "Too many key rotation attempts, try again later");
    let wait: u32 = answer.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=900).contains(&wait), "{wait}");
    // Another agent, and another person, have budgets of their own.
    rotate(&app, other.id()).await.expect(200);
    let request = app.post(&format!("{AGENTS}/{}/rotate-key", one.id()));
    request.bearer(Person::admin("org-1").token()).send().await.expect(200);
    // Whoever may not rotate counts against nobody.
    let analyst = Person::analyst("org-1").named("user_operator").token();
    for _ in 0..5 {
        let request = app.post(&format!("{AGENTS}/{}/rotate-key", other.id())).bearer(&analyst);
        request.send().await.expect(403);
    }
    assert_eq!(rotate(&app, other.id()).await.expect(200).header("ratelimit-remaining"), Some("1"));
}

#[tokio::test]
async fn two_who_rotate_at_once_get_the_same_key() {
    // D-44
    let app = App::start().await;
    let agent = enroll(&app, "ws-1").await;
    let path = format!("{AGENTS}/{}/rotate-key", agent.id());
    let people = (0..6).map(|it| Person::operator("org-1").named(&format!("user_{it}")).token());
    let answers = people.map(|token| app.post(&path).bearer(token).send());
    let answers = futures::future::join_all(answers).await;
    let keys: Vec<_> =
        answers.iter().map(|it| it.clone().expect(200).data()["agent_key"].clone()).collect();
    assert!(keys.iter().all(|it| *it == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn an_agent_whose_requests_are_turned_away_is_shown() {
    // D-64
    let app = App::start().await;
    let mut agent = enroll(&app, "ws-1").await;
    agent.heartbeat().await;
    let since =
        async || ask(&app, "").await.expect(200).data()["agents"][0]["rejected_since"].clone();
    assert_eq!(since().await, Value::Null);
    let wrong = format!("Bearer ak_{}", "0".repeat(64));
    agent.get("/api/agent/tasks").set("authorization", &wrong).send().await.expect(401);
    let first = since().await;
    assert!(first.is_string(), "{first}");
    agent.get("/api/agent/tasks").set("authorization", &wrong).send().await.expect(401);
    assert_eq!(since().await, first);
    agent.heartbeat().await;
    assert_eq!(since().await, Value::Null);
}

#[tokio::test]
async fn without_a_secret_no_key_is_rotated() {
    let app = tests::Setup::default().without("encryption_secret").start().await;
    let agent = enroll(&app, "ws-1").await;
    let answer = rotate(&app, agent.id()).await.expect(503);
    assert!(!answer.text().contains("encryption"), "{}", answer.text());
    assert_eq!(
        app.database()
            .value::<i64>("SELECT count(*) FROM agents WHERE rotation_started_at IS NOT NULL", []),
        0
    );
}

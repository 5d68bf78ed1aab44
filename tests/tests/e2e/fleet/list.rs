//! Lists of agents: pages that meet, and what is judged of each agent.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tests::{Agent, App, Machine, Operator, agent::Heard, clock::next_millisecond};

use super::{
    AGENTS, DAY, ORG, OTHER, age_work, complete, enroll, enroll_in, fail, gone, ids, operator,
    path, report,
};

async fn page(by: &Operator, query: &str) -> Value {
    by.get(&format!("{AGENTS}{query}")).await.expect(200).data()
}

fn names(page: &Value) -> Vec<String> {
    let agents = page["agents"].as_array().expect("a list");
    agents.iter().map(|it| it["hostname"].as_str().expect("text").to_owned()).collect()
}

/// A field of the agent, which its list and its own page must agree on.
async fn shown(by: &Operator, agent: &Agent, field: &str) -> Value {
    let hostname = &agent.machine.hostname;
    let listed = page(by, &format!("?hostname={hostname}&limit=500")).await;
    let listed =
        listed["agents"].as_array().expect("a list").iter().find(|it| it["id"] == agent.id());
    let listed = listed.unwrap_or_else(|| panic!("{hostname} is not listed"))[field].clone();
    assert_eq!(by.agent(agent.id()).await[field], listed, "{field}");
    listed
}

/// Agents `ws-00` and so on, three at a time heard of at the same instant, the last of them never.
async fn fleet(app: &App, size: usize, heard: usize) -> Vec<Agent> {
    let token = app.admin(ORG).mint(u32::try_from(size).expect("few")).await;
    let mut agents = Vec::new();
    let now = jiff::Timestamp::now().as_millisecond();
    for index in 0..size {
        let os = ["linux", "windows"][index % 2];
        let machine = Machine { hostname: format!("ws-{index:02}"), ..Machine::of(os, "amd64") };
        let agent = Agent::enroll(app.server(), machine, &token).await.expect("it enrolls");
        if index < heard {
            let at = now - 1000 - 10 * i64::try_from(index / 3).expect("few");
            let sql = "UPDATE agents SET last_heartbeat_at = ?2 WHERE id = ?1";
            app.database().execute(sql, (agent.id(), at));
        }
        agents.push(agent);
    }
    agents
}

#[tokio::test]
async fn whoever_walks_a_list_meets_every_agent_once() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agents = fleet(&app, 25, 14).await;
    let all = names(&page(&operator, "?limit=500").await);
    assert_eq!(all.len(), 25);
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = page(&operator, &format!("?limit=4{cursor}")).await;
        assert_eq!(page["total"], 25);
        seen.extend(names(&page));
        pages += 1;
        // Whoever was met may report meanwhile, and moves to the front.
        let first = page["agents"][0]["id"].clone();
        let reporting = agents.iter_mut().find(|it| first == it.id()).expect("one of them");
        let heard = reporting.heartbeat().await;
        assert_eq!(heard, Heard::Answered { status: 200, adopted_key: false });
        next_millisecond().await;
        let Some(next) = page["next_cursor"].as_str() else { break };
        // A page begins behind the cursor, whatever else is said.
        cursor = format!("&cursor={next}&offset=3");
    }
    assert_eq!((&seen, pages), (&all, 7));
    // The last that was met was the last to report.
    assert_eq!(names(&page(&operator, "?limit=1").await), all[24..]);
}

#[tokio::test]
async fn an_agent_that_reports_before_it_was_met_leads_the_next_walk() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agents = fleet(&app, 6, 6).await;
    let first = page(&operator, "?limit=3").await;
    let met = names(&first);
    let missed = agents.iter_mut().find(|it| !met.contains(&it.machine.hostname)).expect("three");
    missed.heartbeat().await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let rest = page(&operator, &format!("?limit=3&cursor={cursor}")).await;
    let mut walked: BTreeSet<_> = met.into_iter().chain(names(&rest)).collect();
    assert_eq!((walked.len(), &rest["total"], &rest["next_cursor"]), (5, &json!(6), &Value::Null));
    let again = names(&page(&operator, "").await);
    assert_eq!(again[0], missed.machine.hostname);
    walked.extend(again);
    assert_eq!(walked.len(), 6);
}

#[tokio::test]
async fn pages_meet_under_every_filter() {
    let app = App::start().await;
    let admin = app.admin(ORG);
    let agents = fleet(&app, 24, 15).await;
    let act = async |agents: &[&Agent], action: &str| {
        let body = json!({"agent_ids": ids(agents), "action": action, "tag": "t"});
        admin.post(&format!("{AGENTS}/bulk"), &body).await.expect(200);
    };
    let every = |nth: usize| agents.iter().step_by(nth).collect::<Vec<_>>();
    act(&every(3), "add_tag").await;
    act(&every(5), "disable").await;
    act(&every(7), "decommission").await;
    for (filter, expected) in [
        ("", 20),
        ("status=active", 16),
        ("status=disabled", 4),
        ("status=decommissioned", 4),
        ("os=linux", 10),
        ("hostname=ws-1", 9),
        ("hostname=S-0&os=windows", 4),
        ("tag=t", 6),
        ("tag=t&status=decommissioned", 2),
        ("tag=t&os=windows&hostname=WS", 3),
        ("online_only=true", 10),
        ("online_only=true&os=linux", 5),
        ("online_only=true&tag=t&status=active", 4),
        ("stale_only=true", 10),
        ("stale_only=true&online_only=true&hostname=ws-0", 7),
        ("status=disabled&online_only=true", 0),
        ("status=disabled&stale_only=true", 0),
        ("status=uninstalled", 0),
        ("tag=T", 0),
    ] {
        let whole = page(&admin, &format!("?limit=500&{filter}")).await;
        let all = names(&whole);
        assert_eq!((all.len(), &whole["total"]), (expected, &json!(expected)), "{filter}: {all:?}");
        assert_eq!(whole["next_cursor"], Value::Null, "{filter}");
        let (mut by_cursor, mut by_offset, mut cursor) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = page(&admin, &format!("?limit=2&{filter}{cursor}")).await;
            assert_eq!(page["total"], expected, "{filter}");
            by_cursor.extend(names(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        for offset in (0..expected).step_by(2) {
            by_offset
                .extend(names(&page(&admin, &format!("?limit=2&{filter}&offset={offset}")).await));
        }
        assert_eq!((&by_cursor, &by_offset), (&all, &all), "{filter}");
    }
}

// B4 422, D-11
#[tokio::test]
async fn a_page_has_bounds() {
    let app = App::start().await;
    let operator = operator(&app);
    enroll(&app, "ws-1").await;
    enroll(&app, "ws-2").await;
    let counted = json!({"agents": [], "total": 2, "next_cursor": null});
    assert_eq!(page(&operator, "?limit=0").await, counted);
    assert_eq!(names(&page(&operator, "?limit=500").await).len(), 2);
    let nobody = json!({"agents": [], "total": 0, "next_cursor": null});
    for query in ["?status=bogus", "?os=bogus", "?status=Active", "?status=active&os=beos"] {
        assert_eq!(page(&operator, query).await, nobody, "{query}");
    }
    for (query, message) in [
        ("limit=501", "limit: Too big: expected number to be <=500"),
        ("limit=-1", "limit: Too small: expected number to be >=0"),
        ("limit=abc", "limit: Invalid input: expected number, received NaN"),
        ("limit=10abc", "limit: Invalid input: expected number, received NaN"),
        ("offset=-1", "offset: Too small: expected number to be >=0"),
    ] {
        let answer = operator.get(&format!("{AGENTS}?{query}")).await.expect(400);
        assert_eq!(answer.error(), format!("Validation failed: {message}"), "{query}");
    }
    // No cursor, no key, and the key of another list.
    for cursor in ["x", "bnVsbA", "WzFd", "WzEsMl0"] {
        let answer = operator.get(&format!("{AGENTS}?cursor={cursor}")).await.expect(400);
        assert_eq!(answer.error(), "Invalid cursor", "{cursor}");
    }
}

// §6.8
#[tokio::test]
async fn a_score_is_a_weeks_presence_success_and_steadiness() {
    let app = App::start().await;
    let operator = operator(&app);
    let mut agent = enroll(&app, "ws-1").await;
    let score = async |agent: &Agent| shown(&operator, agent, "health_score").await;
    assert_eq!(score(&agent).await, 60);
    report(&app, &agent, 5 * DAY, 504);
    assert_eq!(score(&agent).await, 70);
    report(&app, &agent, 3 * DAY, 504);
    assert_eq!(score(&agent).await, 80);
    fail(&app, &agent).await;
    assert_eq!(score(&agent).await, 50);
    complete(&app, &mut agent).await;
    assert_eq!(score(&agent).await, 65);
    for expected in [62, 59] {
        agent.heartbeat().await;
        app.database().age_agent(agent.id(), Duration::from_mins(5));
        app.maintain().await;
        assert_eq!(score(&agent).await, expected);
    }
    // What lies more than a week back is forgotten.
    age_work(&app, &agent, 8);
    assert_eq!(score(&agent).await, 60);
    // More than a whole week is not more than all there is.
    let steady = enroll(&app, "ws-2").await;
    report(&app, &steady, 6 * DAY, 1728);
    app.database().execute("UPDATE agent_days SET samples = samples * 2", []);
    assert_eq!(score(&steady).await, 100);
}

#[tokio::test]
async fn whoever_is_stale_is_shown_alone() {
    let app = App::start().await;
    let operator = operator(&app);
    let (mut busy, mut idle) = (enroll(&app, "busy").await, enroll(&app, "idle").await);
    let (mut off, never) = (enroll(&app, "off").await, enroll(&app, "never").await);
    let mut foreign = enroll_in(&app, OTHER, "foreign").await;
    for agent in [&mut busy, &mut idle, &mut off, &mut foreign] {
        agent.heartbeat().await;
    }
    app.admin(ORG).patch(&path(&off), &json!({"status": "disabled"})).await.expect(200);
    complete(&app, &mut busy).await;
    fail(&app, &idle).await;
    let check = async |expected: &[&str]| {
        for agent in [&busy, &idle, &off, &never] {
            let is_stale = expected.contains(&agent.machine.hostname.as_str());
            assert_eq!(shown(&operator, agent, "is_stale").await, is_stale);
        }
        let page = page(&operator, "?stale_only=true").await;
        let mut names = names(&page);
        names.sort();
        assert_eq!(
            (names, &page["total"]),
            (expected.iter().map(|&it| it.to_owned()).collect(), &json!(expected.len()))
        );
    };
    check(&["idle"]).await;
    age_work(&app, &busy, 6);
    check(&["idle"]).await;
    age_work(&app, &busy, 2);
    check(&["busy", "idle"]).await;
    // Only the word itself asks for it.
    assert_eq!(page(&operator, "?stale_only=1").await["total"], 4);
    assert_eq!(page(&operator, "?stale_only=false").await["total"], 4);
}

// D-76
#[tokio::test]
async fn machines_that_enrolled_twice_are_shown() {
    let app = App::start().await;
    let operator = operator(&app);
    let first = enroll(&app, "ws-1").await;
    // Another name, another system, another organisation.
    enroll(&app, "WS-1").await;
    let machine = Machine { hostname: "ws-1".into(), ..Machine::of("windows", "amd64") };
    app.enroll_machine(ORG, machine).await;
    enroll_in(&app, OTHER, "ws-1").await;
    let duplicate = async |agent: &Agent| shown(&operator, agent, "duplicate").await;
    assert_eq!(duplicate(&first).await, false);
    let second = enroll(&app, "ws-1").await;
    assert_eq!((duplicate(&first).await, duplicate(&second).await), (json!(true), json!(true)));
    let flagged = page(&operator, "").await;
    let flagged = flagged["agents"].as_array().expect("a list");
    assert_eq!(flagged.iter().filter(|it| it["duplicate"] == true).count(), 2);
    // A disabled one still stands there, one that is gone does not.
    app.admin(ORG).patch(&path(&first), &json!({"status": "disabled"})).await.expect(200);
    assert_eq!((duplicate(&first).await, duplicate(&second).await), (json!(true), json!(true)));
    app.admin(ORG).delete(&path(&first)).await.expect(200);
    assert_eq!(duplicate(&second).await, false);
    let gone = page(&operator, "?status=decommissioned").await;
    assert_eq!(gone["agents"][0]["duplicate"], false);
}

// D-64
#[tokio::test]
async fn since_when_an_agent_is_turned_away_is_shown() {
    let app = App::start().await;
    let operator = operator(&app);
    let (mut agent, other) = (enroll(&app, "ws-1").await, enroll(&app, "ws-2").await);
    let since = async |agent: &Agent| shown(&operator, agent, "rejected_since").await;
    assert_eq!(since(&agent).await, Value::Null);
    // Its clock is wrong: it hears of it by nothing but the status.
    agent.machine.clock_skew = jiff::SignedDuration::from_mins(10);
    assert_eq!(agent.heartbeat().await, Heard::Answered { status: 401, adopted_key: false });
    let first = since(&agent).await;
    let at: jiff::Timestamp = first.as_str().expect("text").parse().expect("an instant");
    assert!(at.duration_until(jiff::Timestamp::now()).as_secs() < 60);
    agent.heartbeat().await;
    assert_eq!((since(&agent).await, since(&other).await), (first, Value::Null));
    agent.machine.clock_skew = jiff::SignedDuration::ZERO;
    agent.get("/api/agent/tasks").send().await.expect(204);
    assert_eq!(since(&agent).await, Value::Null);

    // One that is switched off does not know either.
    app.admin(ORG).patch(&path(&agent), &json!({"status": "disabled"})).await.expect(200);
    agent.heartbeat().await;
    assert!(since(&agent).await.is_string());
    app.admin(ORG).patch(&path(&agent), &json!({"status": "active"})).await.expect(200);
    assert!(since(&agent).await.is_string());
    agent.heartbeat().await;
    assert_eq!(since(&agent).await, Value::Null);
}

#[tokio::test]
async fn those_who_are_gone_are_shown_when_asked_for() {
    let app = App::start().await;
    let operator = operator(&app);
    let (removed, left) = gone(&app).await;
    for (agent, status) in [(&removed, "decommissioned"), (&left, "uninstalled")] {
        let page = page(&operator, &format!("?status={status}")).await;
        let shown = &page["agents"][0];
        assert_eq!((&page["total"], &shown["id"]), (&json!(1), &json!(agent.id())));
        for (field, expected) in [
            ("status", json!(status)),
            ("runtime_status", json!("offline")),
            ("is_online", json!(false)),
            ("is_stale", json!(false)),
            ("last_heartbeat", json!("")),
        ] {
            assert_eq!(shown[field], expected, "{field}");
        }
    }
    assert_eq!(page(&operator, "").await["total"], 0);
}

//! Lists of agents: what they leave out, their order and their plans.

use domain::{platform::Os, time::Span};

use super::{
    list::{Filter, Matches, Position, Wanted, count},
    *,
};
use crate::{
    fixtures::{NOW, agent, other_agent, plan, run, start_rotation},
    native::Memory,
};

/// `a1` online and executing, `a2` silent, `a3` never seen, `a4` gone, `foreign` of another organisation.
async fn fleet() -> Memory {
    let db = Memory::migrated();
    agent(&db, "k1").await;
    for id in ["a2", "a3", "a4"] {
        other_agent(&db, id, "org", id).await;
    }
    other_agent(&db, "foreign", "other", "k").await;
    for (id, ago) in [("a1", 10), ("a2", 300), ("a4", 10)] {
        run(
            &db,
            r#"UPDATE agents SET last_heartbeat_at = ?2, last_heartbeat = '{"status":"executing"}' WHERE id = ?1"#,
            &[id.into(), (NOW - Span::seconds(ago)).into()],
        )
        .await;
    }
    run(&db, "UPDATE agents SET status = 'decommissioned' WHERE id = 'a4'", &[]).await;
    run(&db, r#"UPDATE agents SET tags = '["web","100%"]' WHERE id = 'a2'"#, &[]).await;
    run(&db, "UPDATE agents SET os = 'windows' WHERE id = 'a3'", &[]).await;
    db
}

/// However its matches are looked for, and however it is cut, a list is the same.
async fn check(filter: Filter<'_>, expected: &[&str]) {
    let db = fleet().await;
    let org = "org".into();
    let counted = count(&db, &org, &filter, NOW).await.unwrap();
    assert_eq!(counted.total, expected.len() as u64);
    for total in [0, 1, 1_000_000] {
        assert_eq!(page(&db, &filter, (50, 0), total).await, expected);
        let mut walked = Vec::new();
        let mut after = None;
        loop {
            let wanted = Wanted { after: after.as_ref(), limit: 1, offset: 0 };
            let matches = Matches { total, population: 1_000_000 };
            let next = list::list(&db, &org, &filter, wanted, matches, NOW).await.unwrap();
            let Some(last) = next.last() else { break };
            let last_heartbeat_at = last.last_heartbeat_at;
            after = Some(Position { last_heartbeat_at, id: last.id.clone() });
            walked.extend(next.into_iter().map(|it| it.id.0));
        }
        assert_eq!(walked, expected);
    }
}

async fn page(
    db: &Memory,
    filter: &Filter<'_>,
    (limit, offset): (u32, u32),
    total: u64,
) -> Vec<String> {
    let wanted = Wanted { after: None, limit, offset };
    let matches = Matches { total, population: 1_000_000 };
    let listed = list::list(db, &"org".into(), filter, wanted, matches, NOW).await.unwrap();
    listed.into_iter().map(|it| it.id.0).collect()
}

#[tokio::test]
async fn the_gone_are_left_out_and_the_never_seen_come_last() {
    check(Filter::default(), &["a1", "a2", "a3"]).await;
    check(Filter { status: Some(AgentStatus::Decommissioned), ..Filter::default() }, &["a4"]).await;
    check(Filter { status: Some(AgentStatus::Disabled), ..Filter::default() }, &[]).await;
}

#[tokio::test]
async fn filters_are_exact() {
    check(Filter { os: Some(Os::Windows), ..Filter::default() }, &["a3"]).await;
    check(Filter { online_only: true, ..Filter::default() }, &["a1"]).await;
    check(Filter { tag: Some("web"), ..Filter::default() }, &["a2"]).await;
    check(Filter { tag: Some("we"), ..Filter::default() }, &[]).await;
    check(Filter { tag: Some("100%"), ..Filter::default() }, &["a2"]).await;
}

#[tokio::test]
async fn a_hostname_is_a_substring_and_has_no_wildcards() {
    check(Filter { hostname: Some("HOST-a2"), ..Filter::default() }, &["a2"]).await;
    check(Filter { hostname: Some("ost"), ..Filter::default() }, &["a1", "a2", "a3"]).await;
    check(Filter { hostname: Some("h%2"), ..Filter::default() }, &[]).await;
    check(Filter { hostname: Some("host_a2"), ..Filter::default() }, &[]).await;
}

#[tokio::test]
async fn a_page_is_cut_and_its_total_is_not() {
    let db = fleet().await;
    assert_eq!(page(&db, &Filter::default(), (1, 1), 3).await, ["a2"]);
    assert!(page(&db, &Filter::default(), (5, 3), 3).await.is_empty());
    let wanted = Wanted {
        after: Some(&Position {
            last_heartbeat_at: Some(NOW - Span::seconds(10)),
            id: "a1".into(),
        }),
        limit: 9,
        offset: 0,
    };
    let rest = list::list(&db, &"org".into(), &Filter::default(), wanted, Matches::default(), NOW)
        .await
        .unwrap();
    assert_eq!(rest.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a2", "a3"]);
}

#[tokio::test]
async fn what_an_agent_does_is_shown_while_it_is_online() {
    let db = fleet().await;
    start_rotation(&db, "next").await;
    let wanted = Wanted { after: None, limit: 9, offset: 0 };
    let listed =
        list::list(&db, &"org".into(), &Filter::default(), wanted, Matches::default(), NOW)
            .await
            .unwrap();
    let shown: Vec<_> =
        listed.iter().map(|it| (it.is_online, it.runtime_status, it.rotation_pending)).collect();
    let offline = (false, RuntimeStatus::Offline, false);
    assert_eq!(shown, [(true, RuntimeStatus::Executing, true), offline, offline]);
}

#[tokio::test]
async fn an_agent_is_found_by_its_organisation_only() {
    let db = fleet().await;
    let found = find(&db, &"org".into(), &"a1".into(), NOW).await.unwrap().unwrap();
    assert_eq!((found.hostname.as_str(), found.is_online), ("host-a1", true));
    assert_eq!(find(&db, &"other".into(), &"a1".into(), NOW).await.unwrap(), None);
    assert_eq!(find(&db, &"org".into(), &"nobody".into(), NOW).await.unwrap(), None);
}

#[tokio::test]
async fn filters_combine() {
    let tagged = Filter { tag: Some("web"), ..Filter::default() };
    check(Filter { hostname: Some("a2"), ..tagged }, &["a2"]).await;
    check(Filter { hostname: Some("a1"), ..tagged }, &[]).await;
    check(Filter { os: Some(Os::Windows), ..tagged }, &[]).await;
    check(Filter { online_only: true, ..tagged }, &[]).await;
    let online = Filter { online_only: true, ..Filter::default() };
    check(Filter { os: Some(Os::Linux), ..online }, &["a1"]).await;
    check(Filter { status: Some(AgentStatus::Active), ..online }, &["a1"]).await;
    check(Filter { status: Some(AgentStatus::Disabled), ..online }, &[]).await;
}

#[tokio::test]
async fn only_who_is_heard_of_and_does_nothing_is_stale() {
    let stale = Filter { stale_only: true, ..Filter::default() };
    check(stale, &["a1", "a2"]).await;
    let db = fleet().await;
    let completed = async |days: i64| {
        let at = NOW - Span::days(days);
        run(
            &db,
            "INSERT INTO agent_days (agent_id, day, completed, last_completed_at) VALUES ('a1', ?1, 1, ?2)",
            &[(at.0 / 86_400_000).into(), at.into()],
        )
        .await;
    };
    completed(8).await;
    assert_eq!(page(&db, &stale, (9, 0), 9).await, ["a1", "a2"]);
    completed(6).await;
    assert_eq!(page(&db, &stale, (9, 0), 9).await, ["a2"]);
    let one = async |id: &str| find(&db, &"org".into(), &id.into(), NOW).await.unwrap().unwrap();
    assert!(!one("a1").await.judged.is_stale);
    assert!(one("a2").await.judged.is_stale);
    assert!(!one("a3").await.judged.is_stale);
}

#[tokio::test]
async fn agents_of_one_name_and_system_are_duplicates_unless_gone() {
    // D-76
    let db = fleet().await;
    run(&db, "UPDATE agents SET hostname = 'same' WHERE id IN ('a1', 'a2', 'a3', 'a4')", &[]).await;
    let duplicate = async |id: &str| {
        find(&db, &"org".into(), &id.into(), NOW).await.unwrap().unwrap().judged.is_duplicate
    };
    assert!(duplicate("a1").await && duplicate("a2").await);
    assert!(!duplicate("a3").await, "another system");
    assert!(!duplicate("a4").await, "gone");
    run(&db, "UPDATE agents SET status = 'uninstalled' WHERE id = 'a2'", &[]).await;
    assert!(!duplicate("a1").await);
}

#[tokio::test]
async fn what_is_counted_is_what_is_there() {
    let db = fleet().await;
    run(&db, "UPDATE agents SET agent_version = '2.0.0' WHERE id = 'a1'", &[]).await;
    run(
        &db,
        "UPDATE agents SET status = 'disabled', tags = '[\"web\",\"web\"]' WHERE id = 'a2'",
        &[],
    )
    .await;
    let differences = "SELECT count(*) FROM (
        SELECT * FROM (SELECT org_id, status, os, agent_version, count(*) FROM agents GROUP BY 1, 2, 3, 4
                       EXCEPT SELECT org_id, status, os, agent_version, agents FROM agent_counts)
        UNION ALL
        SELECT * FROM (SELECT org_id, status, os, agent_version, agents FROM agent_counts
                       EXCEPT SELECT org_id, status, os, agent_version, count(*) FROM agents GROUP BY 1, 2, 3, 4))";
    assert_eq!(crate::fixtures::integer(&db, differences).await, Some(0));
    let tags = "SELECT group_concat(tag || ' ' || status || ' ' || agent_id) FROM agent_tags";
    assert_eq!(crate::fixtures::text(&db, tags).await.as_deref(), Some("web disabled a2"));
}

#[tokio::test]
async fn lists_walk_the_index_of_their_organisation_in_order() {
    let start = Wanted { after: None, limit: 1, offset: 0 };
    let seen = Position { last_heartbeat_at: Some(NOW), id: "a1".into() };
    let later = Wanted { after: Some(&seen), ..start };
    for wanted in [start, later] {
        for online_only in [false, true] {
            plan(async |db| {
                let filter = Filter { online_only, ..Filter::default() };
                drop(list::list(db, &"org".into(), &filter, wanted, Matches::default(), NOW).await);
                drop(find(db, &"org".into(), &"a1".into(), NOW).await);
            })
            .await
            .uses("agents_by_org")
            .never_scans();
        }
    }
}

#[tokio::test]
async fn totals_read_what_is_counted_or_a_narrow_index() {
    let all = Filter::default();
    for (filter, index) in [
        (Filter { hostname: Some("web"), ..all }, "agents_by_status"),
        (Filter { online_only: true, ..all }, "agents_by_org"),
        (Filter { stale_only: true, ..all }, "agents_idle"),
        (Filter { stale_only: true, hostname: Some("web"), ..all }, "agents_by_status"),
    ] {
        plan(async |db| drop(count(db, &"org".into(), &filter, NOW).await))
            .await
            .uses(index)
            .never_scans();
    }
    for filter in [all, Filter { tag: Some("web"), ..all }] {
        plan(async |db| drop(count(db, &"org".into(), &filter, NOW).await)).await.never_scans();
    }
}

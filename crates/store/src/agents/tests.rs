//! Lists of agents: what they leave out, their order and their plans.

use domain::time::Span;

use super::*;
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

async fn check(filter: Filter<'_>, expected: &[&str]) {
    let db = fleet().await;
    let org = "org".into();
    let listed = list(&db, &org, &filter, (50, 0), NOW).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, expected);
    assert_eq!(count(&db, &org, &filter, NOW).await.unwrap(), expected.len() as u64);
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
    let org = "org".into();
    let page = list(&db, &org, &Filter::default(), (1, 1), NOW).await.unwrap();
    assert_eq!(page[0].id.as_str(), "a2");
    assert_eq!(list(&db, &org, &Filter::default(), (5, 3), NOW).await.unwrap(), []);
}

#[tokio::test]
async fn what_an_agent_does_is_shown_while_it_is_online() {
    let db = fleet().await;
    start_rotation(&db, "next").await;
    let listed = list(&db, &"org".into(), &Filter::default(), (9, 0), NOW).await.unwrap();
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
async fn lists_walk_the_index_of_their_organisation_in_order() {
    plan(async |db| {
        let filter = Filter::default();
        drop(list(db, &"org".into(), &filter, (1, 0), NOW).await);
        drop(find(db, &"org".into(), &"a1".into(), NOW).await);
    })
    .await
    .uses("agents_by_org")
    .never_scans();
    plan(async |db| drop(count(db, &"org".into(), &Filter::default(), NOW).await))
        .await
        .never_scans();
}

//! What lists of tasks show and what they read for it.

use super::*;
use crate::{
    fixtures::{agent, integer, other_agent, plan, run, task, task_of},
    native::Memory,
};

async fn fleet() -> Memory {
    let db = Memory::migrated();
    agent(&db, "key").await;
    other_agent(&db, "a2", "org", "key2").await;
    other_agent(&db, "foreign", "other", "key3").await;
    for (id, agent, status) in [
        ("t1", "a1", "pending"),
        ("t2", "a2", "pending"),
        ("t3", "a1", "completed"),
        ("t9", "foreign", "pending"),
    ] {
        task_of(&db, id, agent, status).await;
    }
    run(&db, "UPDATE tasks SET created_at = created_at + 1 WHERE id = 't1'", &[]).await;
    db
}

/// Newest first, in one page and in pages of one.
async fn check(filter: Filter<'_>, expected: &[&str]) {
    let db = fleet().await;
    let org = "org".into();
    let matches = count(&db, &org, &filter).await.unwrap();
    assert_eq!(matches.total, expected.len() as u64);
    // Whatever else there is, the same tasks are found in another way.
    let many = FEW + 1;
    let ways = [
        matches,
        Matches { of_search: many, ..matches },
        Matches { of_search: many, of_status: many, ..matches },
    ];
    for matches in ways {
        let page = async |wanted| list(&db, &org, &filter, wanted, matches).await.unwrap();
        let listed = page(ALL).await;
        let ids: Vec<_> = listed.iter().map(|it| it.task.id.as_str()).collect();
        assert_eq!(ids, expected);
        assert_eq!(page(Wanted { limit: 1, offset: 1, ..ALL }).await.first(), listed.get(1));
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let wanted = Wanted { limit: 1, after: after.as_ref(), ..ALL };
            let Some(it) = list(&db, &org, &filter, wanted, matches).await.unwrap().pop() else {
                break;
            };
            after = Some(Position { at: it.task.created_at, id: it.task.id.to_string() });
            walked.push(it);
        }
        assert_eq!(walked, listed);
    }
}

const ALL: Wanted<'_> = Wanted { limit: 50, offset: 0, after: None };

#[tokio::test]
async fn an_organisation_sees_its_own_newest_first() {
    check(Filter::default(), &["t1", "t3", "t2"]).await;
}

#[tokio::test]
async fn filters_are_exact_and_combine() {
    check(Filter { agent: Some("a1"), ..Filter::default() }, &["t1", "t3"]).await;
    check(Filter { agent: Some("foreign"), ..Filter::default() }, &[]).await;
    let pending = Some(TaskStatus::Pending);
    check(Filter { status: pending, ..Filter::default() }, &["t1", "t2"]).await;
    check(Filter { agent: Some("a1"), status: pending, ..Filter::default() }, &["t1"]).await;
    let of = |kind| Filter { kind: Some(kind), ..Filter::default() };
    check(of(TaskType::Uninstall), &[]).await;
    check(of(TaskType::ExecuteTest), &["t1", "t3", "t2"]).await;
    check(Filter { status: pending, ..of(TaskType::ExecuteTest) }, &["t1", "t2"]).await;
    check(Filter { agent: Some("a2"), ..of(TaskType::ExecuteTest) }, &["t2"]).await;
}

#[tokio::test]
async fn totals_follow_every_change_of_a_task() {
    let db = fleet().await;
    let total = async |status| {
        let filter = Filter { status, ..Filter::default() };
        count(&db, &"org".into(), &filter).await.unwrap().total
    };
    let (pending, completed) = (Some(TaskStatus::Pending), Some(TaskStatus::Completed));
    assert_eq!((total(pending).await, total(completed).await, total(None).await), (2, 1, 3));
    let end = "UPDATE tasks SET status = 'completed', ended_by = 'result', completed_at = 1 WHERE id = 't1'";
    run(&db, end, &[]).await;
    assert_eq!((total(pending).await, total(completed).await, total(None).await), (1, 2, 3));
    run(&db, "DELETE FROM tasks WHERE id = 't1'", &[]).await;
    assert_eq!((total(pending).await, total(completed).await, total(None).await), (1, 1, 2));
}

#[tokio::test]
async fn a_subject_goes_with_its_last_task() {
    let db = fleet().await;
    let subjects = async || integer(&db, "SELECT sum(tasks) FROM task_subjects").await;
    assert_eq!(subjects().await, Some(4));
    run(&db, "DELETE FROM tasks WHERE org_id = 'org'", &[]).await;
    assert_eq!(subjects().await, Some(1));
    assert_eq!(integer(&db, "SELECT count(*) FROM task_subjects").await, Some(1));
}

#[tokio::test]
async fn a_search_is_a_substring_of_name_command_or_host_whatever_the_case() {
    let found = |search| Filter { search: Some(search), ..Filter::default() };
    check(found("lsass"), &["t1", "t3", "t2"]).await;
    check(found("HOST-A2"), &["t2"]).await;
    check(found("%"), &[]).await;
    check(found("_"), &[]).await;
    check(Filter { status: Some(TaskStatus::Completed), ..found("read") }, &["t3"]).await;
    let kind = Some(TaskType::ExecuteTest);
    check(Filter { kind, ..found("host-a1") }, &["t1", "t3"]).await;
    check(Filter { agent: Some("a2"), ..found("lsass") }, &["t2"]).await;
}

#[tokio::test]
async fn a_command_is_searched_too() {
    let db = Memory::migrated();
    agent(&db, "key").await;
    run(
        &db,
        r#"INSERT INTO tasks (id, agent_id, org_id, type, payload, execution_timeout_seconds, ttl_seconds,
                              created_at, expires_at, batch_id)
           VALUES ('t1', 'a1', 'org', 'execute_command', '{"command":"whoami /all"}', 1, 1, 1, 1, 'b1')"#,
        &[],
    )
    .await;
    let filter = Filter { search: Some("WhoAmI"), ..Filter::default() };
    let matches = count(&db, &"org".into(), &filter).await.unwrap();
    let listed = list(&db, &"org".into(), &filter, ALL, matches).await.unwrap();
    assert_eq!((listed[0].hostname.as_deref(), matches.total), (Some("host-a1"), 1));
}

#[tokio::test]
async fn a_name_of_many_hosts_is_counted_all_the_same() {
    let db = Memory::migrated();
    agent(&db, "key").await;
    for more in 0..1100 {
        other_agent(&db, &format!("many-{more}"), "org", "k").await;
    }
    task(&db, "t1", "pending").await;
    task_of(&db, "t2", "many-7", "pending").await;
    let filter = Filter { search: Some("Host-"), ..Filter::default() };
    assert_eq!(count(&db, &"org".into(), &filter).await.unwrap().total, 2);
    let filter = Filter { search: Some("many-7"), ..Filter::default() };
    assert_eq!(count(&db, &"org".into(), &filter).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_task_that_outgrows_its_share_of_a_page_is_shown_briefly() {
    let db = Memory::migrated();
    agent(&db, "key").await;
    task(&db, "t1", "pending").await;
    let grow = "UPDATE tasks
                   SET payload = json_object('test_name', 'x', 'arguments', json_array(printf('%.*c', 40000, 'a'))),
                       result = json_object('exit_code', 7, 'stdout', printf('%.*c', 40000, 'é'), 'stderr', '')";
    run(&db, grow, &[]).await;
    let shown = async |limit| {
        let wanted = Wanted { limit, ..ALL };
        let every = Filter::default();
        let page = list(&db, &"org".into(), &every, wanted, Matches::default()).await;
        let mut page = page.unwrap();
        let task = page.remove(0).task;
        (task.payload, task.result.unwrap())
    };
    let (payload, result) = shown(10).await;
    assert_eq!((payload.len(), result.len() > 80_000), (40_034, true));
    let (payload, result) = shown(500).await;
    assert_eq!(payload, r#"{"test_name":"x","arguments":[],"truncated":true}"#);
    let output = "é".repeat(1024);
    let expected = format!(r#"{{"exit_code":7,"stdout":"{output}","stderr":"","truncated":true}}"#);
    assert_eq!(result, expected);
}

#[tokio::test]
async fn every_page_walks_an_index_in_order() {
    let agent = Some("a1");
    let status = Some(TaskStatus::Pending);
    let kind = Some(TaskType::Uninstall);
    let search = Some("x");
    let few = Matches::default();
    let many = Matches { of_search: FEW + 1, ..few };
    for (filter, matches, index) in [
        (Filter { agent, ..Filter::default() }, few, "tasks_by_agent"),
        (Filter { agent, status, kind, search }, few, "tasks_by_agent"),
        (Filter { status, ..Filter::default() }, few, "tasks_by_status"),
        (Filter { status, kind, ..Filter::default() }, few, "tasks_by_status"),
        (Filter { kind, ..Filter::default() }, few, "tasks_by_type"),
        (
            Filter { status, kind, ..Filter::default() },
            Matches { of_status: 2, of_type: 1, ..few },
            "tasks_by_type",
        ),
        (Filter { status, search, ..Filter::default() }, many, "tasks_by_status"),
        (Filter { search, ..Filter::default() }, many, "tasks_by_org"),
        (Filter::default(), few, "tasks_by_org"),
    ] {
        let walk = plan(async |db| {
            drop(list(db, &"org".into(), &filter, ALL, matches).await);
        })
        .await;
        walk.uses(index);
        assert_eq!(walk.times("TEMP B-TREE"), 0, "{filter:?}");
        assert_eq!(walk.times("(created_at,id)<(?,?)"), 1, "{filter:?}");
    }
}

#[tokio::test]
async fn totals_read_no_task_of_an_organisation() {
    let org = "org".into();
    let (status, kind) = (Some(TaskStatus::Pending), Some(TaskType::Uninstall));
    for filter in [
        Filter::default(),
        Filter { status, ..Filter::default() },
        Filter { kind, ..Filter::default() },
        Filter { status, kind, ..Filter::default() },
        Filter { agent: Some("a1"), status, ..Filter::default() },
    ] {
        plan(async |db| drop(count(db, &org, &filter).await))
            .await
            .never_scans()
            .never_reads_an_organisation();
    }
}

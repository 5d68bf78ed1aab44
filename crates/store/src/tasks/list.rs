//! Pages of tasks with the hostnames of their agents, newest first, and exact totals.
//!
//! A page has a size in memory, too: a task that outgrows its share of [`PAGE_BYTES`] is shown
//! without its arguments, with the beginning of its outputs (it says so by `truncated`), and with the
//! last of its notes. Alone it is shown in full.
//!
//! Which index is walked depends on what is asked: an agent's, a status', or the organisation's. A
//! unary `+` keeps the planner from another one.

use domain::{
    ids::{BatchId, OrgId},
    tasks::{TaskStatus, TaskType},
};

use super::{BEYOND, Task, decode, task_columns};
use crate::{Db, Error, Row, Value, only};

#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    pub agent: Option<&'a str>,
    pub status: Option<TaskStatus>,
    pub kind: Option<TaskType>,
    /// Substring of test name, command or hostname, ASCII case ignored.
    pub search: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub task: Task,
    pub hostname: Option<String>,
}

macro_rules! of_agent {
    () => {
        "tasks.agent_id = ?2 AND +tasks.org_id = ?1 AND (?3 IS NULL OR tasks.status = ?3)"
    };
}

macro_rules! of_status {
    () => {
        "tasks.org_id = ?1 AND tasks.status = ?3 AND ?2 IS NULL"
    };
}

macro_rules! of_org {
    () => {
        "tasks.org_id = ?1 AND ?2 IS NULL AND ?3 IS NULL"
    };
}

macro_rules! matching {
    () => {
        " AND (?4 IS NULL OR tasks.type = ?4)
          AND (?5 IS NULL
               OR instr(lower(json_extract(tasks.payload, '$.test_name')), lower(?5)) > 0
               OR instr(lower(json_extract(tasks.payload, '$.command')), lower(?5)) > 0
               OR instr(lower((SELECT hostname FROM agents WHERE id = tasks.agent_id)), lower(?5)) > 0)"
    };
}

/// Of payloads and of results, each. A row passes through several memories on its way out.
const PAGE_BYTES: u32 = 8 << 20;

/// A task with its host, within its share `?8` of a page.
macro_rules! shown {
    () => {
        concat!(
            task_columns!(
                "CASE WHEN octet_length(tasks.payload) <= ?8 THEN tasks.payload
                      ELSE json_set(tasks.payload, '$.arguments', json_array(), '$.truncated', json('true')) END",
                "CASE WHEN tasks.result IS NULL OR octet_length(tasks.result) <= ?8 THEN tasks.result
                      ELSE json_patch(
                        json_object('exit_code', json_extract(tasks.result, '$.exit_code'),
                                    'stdout', substr(json_extract(tasks.result, '$.stdout'), 1, 1024),
                                    'stderr', substr(json_extract(tasks.result, '$.stderr'), 1, 1024),
                                    'truncated', json('true')),
                        json_object('error', substr(json_extract(tasks.result, '$.error'), 1, 1024))) END",
                "CASE WHEN octet_length(tasks.notes_history) <= ?8 THEN tasks.notes_history
                      ELSE json_array(json_extract(tasks.notes_history, '$[#-1]')) END"
            ),
            ", (SELECT hostname FROM agents WHERE id = tasks.agent_id)"
        )
    };
}

pub(super) use {matching, of_agent, of_org, of_status, shown};

macro_rules! page {
    ($driver:ident) => {
        concat!(
            "SELECT ",
            shown!(),
            " FROM tasks WHERE ",
            $driver!(),
            matching!(),
            " ORDER BY tasks.created_at DESC, tasks.id DESC LIMIT ?6 OFFSET ?7"
        )
    };
}

macro_rules! total {
    ($driver:ident) => {
        concat!("SELECT count(*) FROM tasks WHERE ", $driver!(), matching!())
    };
}

impl Filter<'_> {
    pub(super) fn params(&self, org: &OrgId) -> Vec<Value> {
        vec![
            org.into(),
            self.agent.into(),
            self.status.map(TaskStatus::as_str).into(),
            self.kind.map(TaskType::as_str).into(),
            self.search.into(),
        ]
    }
}

/// At most `limit` tasks after the first `offset`.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    limit: u32,
    offset: u32,
) -> Result<Vec<Listed>, Error> {
    let sql = match (filter.agent, filter.status) {
        (Some(_), _) => page!(of_agent),
        (None, Some(_)) => page!(of_status),
        (None, None) => page!(of_org),
    };
    let mut params = filter.params(org);
    params.extend([limit.into(), offset.into(), (PAGE_BYTES / limit.max(1)).into()]);
    db.query(sql, &params).await?.into_iter().map(decode_listed).collect()
}

/// At most `limit` tasks of a batch after the first `offset`, by hostname.
pub async fn list_batch(
    db: &impl Db,
    org: &OrgId,
    batch: &BatchId,
    limit: u32,
    offset: u32,
) -> Result<Vec<Listed>, Error> {
    let sql = concat!(
        "SELECT ",
        shown!(),
        " FROM (SELECT tasks.rowid AS member, agents.hostname, tasks.created_at, tasks.id
                  FROM tasks JOIN agents ON agents.id = tasks.agent_id
                 WHERE tasks.org_id = ?1 AND tasks.batch_id = ?2
              ORDER BY agents.hostname, tasks.created_at, tasks.id LIMIT ?6 OFFSET ?7) AS page
      CROSS JOIN tasks ON tasks.rowid = page.member
           ORDER BY page.hostname, page.created_at, page.id"
    );
    let mut params = vec![Value::from(org), batch.into(), Value::Null, Value::Null, Value::Null];
    params.extend([limit.into(), offset.into(), (PAGE_BYTES / limit.max(1)).into()]);
    db.query(sql, &params).await?.into_iter().map(decode_listed).collect()
}

/// How many tasks match.
pub async fn count(db: &impl Db, org: &OrgId, filter: &Filter<'_>) -> Result<u64, Error> {
    let sql = match (filter.agent, filter.status) {
        (Some(_), _) => total!(of_agent),
        (None, Some(_)) => total!(of_status),
        (None, None) => total!(of_org),
    };
    only(db.query(sql, &filter.params(org)).await?)?.integer(0)
}

pub(super) fn decode_listed(mut row: Row) -> Result<Listed, Error> {
    Ok(Listed { task: decode(&mut row)?, hostname: row.optional_text(BEYOND)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{agent, other_agent, plan, run, task, task_of},
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

    async fn check(filter: Filter<'_>, expected: &[&str]) {
        let db = fleet().await;
        let org = "org".into();
        let listed = list(&db, &org, &filter, 50, 0).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|it| it.task.id.as_str()).collect();
        assert_eq!(ids, expected);
        assert_eq!(count(&db, &org, &filter).await.unwrap(), expected.len() as u64);
        let first = list(&db, &org, &filter, 1, 1).await.unwrap();
        assert_eq!(first.first().map(|it| it.task.id.as_str()), expected.get(1).copied());
    }

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
        check(Filter { kind: Some(TaskType::Uninstall), ..Filter::default() }, &[]).await;
    }

    #[tokio::test]
    async fn a_search_is_a_substring_of_name_command_or_host_whatever_the_case() {
        let found = |search| Filter { search: Some(search), ..Filter::default() };
        check(found("lsass"), &["t1", "t3", "t2"]).await;
        check(found("HOST-A2"), &["t2"]).await;
        check(found("%"), &[]).await;
        check(found("_"), &[]).await;
        check(Filter { status: Some(TaskStatus::Completed), ..found("read") }, &["t3"]).await;
    }

    #[tokio::test]
    async fn a_command_is_searched_too() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        task(&db, "t1", "pending").await;
        run(&db, r#"UPDATE tasks SET payload = '{"command":"whoami /all"}'"#, &[]).await;
        let filter = Filter { search: Some("WhoAmI"), ..Filter::default() };
        let listed = list(&db, &"org".into(), &filter, 1, 0).await.unwrap();
        assert_eq!(listed[0].hostname.as_deref(), Some("host-a1"));
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
            let mut page = list(&db, &"org".into(), &Filter::default(), limit, 0).await.unwrap();
            let task = page.remove(0).task;
            (task.payload, task.result.unwrap())
        };
        let (payload, result) = shown(10).await;
        assert_eq!((payload.len(), result.len() > 80_000), (40_034, true));
        let (payload, result) = shown(500).await;
        assert_eq!(payload, r#"{"test_name":"x","arguments":[],"truncated":true}"#);
        let output = "é".repeat(1024);
        let expected =
            format!(r#"{{"exit_code":7,"stdout":"{output}","stderr":"","truncated":true}}"#);
        assert_eq!(result, expected);
    }

    #[tokio::test]
    async fn every_page_walks_an_index_in_order() {
        let agent = Some("a1");
        let status = Some(TaskStatus::Pending);
        for (filter, index) in [
            (Filter { agent, ..Filter::default() }, "tasks_by_agent"),
            (Filter { agent, status, ..Filter::default() }, "tasks_by_agent"),
            (Filter { status, ..Filter::default() }, "tasks_by_status"),
            (Filter::default(), "tasks_by_org"),
        ] {
            plan(async |db| {
                drop(list(db, &"org".into(), &filter, 1, 0).await);
                drop(count(db, &"org".into(), &filter).await);
            })
            .await
            .uses(index)
            .never_scans();
        }
    }
}

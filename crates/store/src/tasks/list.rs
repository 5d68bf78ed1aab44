//! Pages of tasks with the hostnames of their agents, newest first, and exact totals.
//!
//! A page has a size in memory, too: a task that outgrows its share of [`PAGE_BYTES`] is shown
//! without its arguments, with the beginning of its outputs (it says so by `truncated`), and with the
//! last of its notes. Alone it is shown in full.
//!
//! Which index is walked depends on what is asked: an agent's, a status', a type's, a subject's, or
//! the organisation's. A unary `+` keeps the planner from another one. Totals by status and type are
//! counted already (`task_counts`).

use domain::{
    ids::{BatchId, OrgId},
    tasks::{TaskStatus, TaskType},
    time::Timestamp,
};

use super::{
    BEYOND, Task, decode,
    search::{found, searched, wanted_words},
    task_columns,
};
use crate::{Db, Error, Row, Value, only};

#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    pub agent: Option<&'a str>,
    pub status: Option<TaskStatus>,
    pub kind: Option<TaskType>,
    /// Substring of test name, command or hostname, ASCII case ignored.
    pub search: Option<&'a str>,
}

/// How many tasks match, and how many would match less; that decides how they are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Matches {
    pub total: u64,
    of_status: u64,
    of_type: u64,
    of_search: u64,
}

/// The last task that a reader has seen; of batches the newest match and the batch's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub at: Timestamp,
    pub id: String,
}

/// The last member of a batch that a reader has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPosition {
    pub hostname: String,
    pub created_at: Timestamp,
    pub id: String,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a, P = Position> {
    pub limit: u32,
    pub offset: u32,
    pub after: Option<&'a P>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub task: Task,
    pub hostname: Option<String>,
}

/// Up to so many matches of a search are looked up and sorted rather than waited for.
const FEW: u64 = 20_000;

/// Where matches are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Agent,
    Status,
    Type,
    Org,
    Found,
}

macro_rules! driver {
    (agent) => {
        "tasks.agent_id = ?2 AND +tasks.org_id = ?1"
    };
    (status) => {
        "tasks.org_id = ?1 AND tasks.status = ?3"
    };
    (kind) => {
        "tasks.org_id = ?1 AND tasks.type = ?4"
    };
    (org) => {
        "tasks.org_id = ?1"
    };
    (found) => {
        concat!("tasks.rowid IN (", found!(), ") AND +tasks.org_id = ?1")
    };
}

/// What all rows are tested for, those of a search for that, too.
macro_rules! matching {
    (plain) => {
        " AND (?2 IS NULL OR +tasks.agent_id = ?2) AND (?3 IS NULL OR +tasks.status = ?3)
          AND (?4 IS NULL OR +tasks.type = ?4)"
    };
    (searched) => {
        concat!(matching!(plain), " AND ", searched!())
    };
}

/// One statement per source: `$statement!(driver, matching)`, after the words that are searched for.
macro_rules! by_source {
    ($statement:ident, $source:expr, $searches:expr) => {
        match ($source, $searches) {
            (Source::Agent, false) => $statement!(agent, plain),
            (Source::Status, false) => $statement!(status, plain),
            (Source::Type, false) => $statement!(kind, plain),
            (Source::Org | Source::Found, false) => $statement!(org, plain),
            (Source::Agent, true) => concat!(wanted_words!(), $statement!(agent, searched)),
            (Source::Status, true) => concat!(wanted_words!(), $statement!(status, searched)),
            (Source::Type, true) => concat!(wanted_words!(), $statement!(kind, searched)),
            (Source::Org, true) => concat!(wanted_words!(), $statement!(org, searched)),
            (Source::Found, true) => concat!(wanted_words!(), $statement!(found, plain)),
        }
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

pub(super) use {by_source, driver, matching, shown};

macro_rules! page {
    ($driver:ident, $matching:ident) => {
        concat!(
            "SELECT ",
            shown!(),
            " FROM tasks WHERE ",
            driver!($driver),
            matching!($matching),
            " AND (tasks.created_at, tasks.id) < (?9, ?10)
              ORDER BY tasks.created_at DESC, tasks.id DESC LIMIT ?6 OFFSET ?7"
        )
    };
}

macro_rules! total {
    ($driver:ident, $matching:ident) => {
        concat!("SELECT count(*), ?5 FROM tasks WHERE ", driver!($driver), matching!($matching))
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

    /// Whether nothing is asked for but all there is.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self { agent: None, status: None, kind: None, search: None })
    }

    /// The source with the fewest rows to read.
    pub(super) fn source(&self, matches: Matches) -> Source {
        let by_status = self.kind.is_none() || matches.of_status <= matches.of_type;
        match self {
            Self { agent: Some(_), .. } => Source::Agent,
            Self { search: Some(_), .. } if matches.of_search <= FEW => Source::Found,
            Self { status: Some(_), .. } if by_status => Source::Status,
            Self { kind: Some(_), .. } => Source::Type,
            _ => Source::Org,
        }
    }
}

impl Position {
    /// Behind all that come first.
    pub(super) fn params(after: Option<&Self>) -> [Value; 2] {
        let at = after.map_or(Timestamp(i64::MAX), |it| it.at);
        [at.into(), after.map_or("", |it| it.id.as_str()).into()]
    }
}

/// What [`count`] said decides only how the tasks are found.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    wanted: Wanted<'_>,
    matches: Matches,
) -> Result<Vec<Listed>, Error> {
    let sql = by_source!(page, filter.source(matches), filter.search.is_some());
    let mut params = filter.params(org);
    params.extend([wanted.limit.into(), wanted.offset.into(), share(wanted.limit)]);
    params.extend(Position::params(wanted.after));
    db.query(sql, &params).await?.into_iter().map(decode_listed).collect()
}

fn share(limit: u32) -> Value {
    (PAGE_BYTES / limit.max(1)).into()
}

/// Tasks of a batch, by hostname. Reads and sorts all of the batch.
pub async fn list_batch(
    db: &impl Db,
    org: &OrgId,
    batch: &BatchId,
    wanted: Wanted<'_, MemberPosition>,
) -> Result<Vec<Listed>, Error> {
    let sql = concat!(
        "SELECT ",
        shown!(),
        " FROM (SELECT tasks.rowid AS member, agents.hostname, tasks.created_at, tasks.id
                  FROM tasks JOIN agents ON agents.id = tasks.agent_id
                 WHERE tasks.org_id = ?1 AND tasks.batch_id = ?2
                   AND (?3 IS NULL OR (agents.hostname, tasks.created_at, tasks.id) > (?3, ?4, ?5))
              ORDER BY agents.hostname, tasks.created_at, tasks.id LIMIT ?6 OFFSET ?7) AS page
      CROSS JOIN tasks ON tasks.rowid = page.member
           ORDER BY page.hostname, page.created_at, page.id"
    );
    let params = [
        org.into(),
        batch.into(),
        wanted.after.map(|it| it.hostname.as_str()).into(),
        wanted.after.map(|it| it.created_at).into(),
        wanted.after.map(|it| it.id.as_str()).into(),
        wanted.limit.into(),
        wanted.offset.into(),
        share(wanted.limit),
    ];
    db.query(sql, &params).await?.into_iter().map(decode_listed).collect()
}

/// How many tasks match. Where a search and a filter meet, those that the narrower one lets through
/// are read; all else is counted already, or an agent's own.
pub async fn count(db: &impl Db, org: &OrgId, filter: &Filter<'_>) -> Result<Matches, Error> {
    let mut matches = Matches::default();
    if filter.agent.is_none() {
        matches = count_kinds(db, org, filter).await?;
        let Some(words) = filter.search else { return Ok(matches) };
        matches.of_search = super::search::count(db, org, words).await?;
        if filter.status.is_none() && filter.kind.is_none() {
            return Ok(Matches { total: matches.of_search, ..matches });
        }
    }
    let sql = by_source!(total, filter.source(matches), filter.search.is_some());
    let total = only(db.query(sql, &filter.params(org)).await?)?.integer(0)?;
    Ok(Matches { total, ..matches })
}

async fn count_kinds(db: &impl Db, org: &OrgId, filter: &Filter<'_>) -> Result<Matches, Error> {
    let rows = db
        .query(
            "SELECT coalesce(sum(tasks) FILTER (WHERE (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR type = ?3)), 0),
                    coalesce(sum(tasks) FILTER (WHERE status = ?2), 0),
                    coalesce(sum(tasks) FILTER (WHERE type = ?3), 0)
               FROM task_counts
              WHERE org_id = ?1",
            &[
                org.into(),
                filter.status.map(TaskStatus::as_str).into(),
                filter.kind.map(TaskType::as_str).into(),
            ],
        )
        .await?;
    let mut row = only(rows)?;
    Ok(Matches {
        total: row.integer(0)?,
        of_status: row.integer(1)?,
        of_type: row.integer(2)?,
        of_search: 0,
    })
}

pub(super) fn decode_listed(mut row: Row) -> Result<Listed, Error> {
    Ok(Listed { task: decode(&mut row)?, hostname: row.optional_text(BEYOND)? })
}

#[cfg(test)]
mod tests {
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
                let Some(it) = list(&db, &org, &filter, wanted, matches).await.unwrap().pop()
                else {
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
        let expected =
            format!(r#"{{"exit_code":7,"stdout":"{output}","stderr":"","truncated":true}}"#);
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
}

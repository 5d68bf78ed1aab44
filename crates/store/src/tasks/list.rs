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
mod tests;

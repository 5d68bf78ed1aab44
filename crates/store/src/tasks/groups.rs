//! Tasks by batch: which batches have a member that matches, what each is about, and its members.
//!
//! A page holds at most [`MOST_MEMBERS`] tasks; its counts are exact, and what is left out is on the
//! batch's own pages.
//!
//! All batches stand in `task_batches`. Under a filter the order is that of the matches, which are
//! therefore read, once each, by the index that lets the fewest through.

use domain::{
    ids::{BatchId, OrgId},
    tasks::TaskType,
    time::Timestamp,
};

use super::{
    list::{
        Filter, Listed, Matches, Position, Source, Wanted, by_source, decode_listed, driver,
        matching, shown,
    },
    search::{found, searched, wanted_words},
    task_columns,
};
use crate::{Db, Error, Row, Value, only};

/// What one batch has in common, as its first task says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub batch: BatchId,
    pub kind: TaskType,
    /// JSON, as fleet.md §4.5.
    pub payload: String,
    pub created_at: Timestamp,
    pub created_by: Option<String>,
    /// Of all its tasks.
    pub count: u32,
    /// A JSON object of those that are not zero.
    pub status_counts: String,
}

/// A place in the list of batches: the newest creation among the members that match, and the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub newest_at: Timestamp,
    pub batch: BatchId,
}

pub const MOST_MEMBERS: u32 = 2000;
pub const MOST_MEMBERS_OF_ONE: u32 = 1000;

/// Of payloads and of results, each.
const MEMBER_BYTES: u32 = 4096;

macro_rules! places {
    ($driver:ident, $matching:ident) => {
        concat!(
            "SELECT max(tasks.created_at) AS newest_at, tasks.batch_id FROM tasks WHERE ",
            driver!($driver),
            matching!($matching),
            " GROUP BY +tasks.batch_id
             HAVING (max(tasks.created_at), tasks.batch_id) < (?8, ?9)
              ORDER BY newest_at DESC, tasks.batch_id DESC LIMIT ?6 OFFSET ?7"
        )
    };
}

macro_rules! total {
    ($driver:ident, $matching:ident) => {
        concat!(
            "SELECT count(DISTINCT +tasks.batch_id), ?5 FROM tasks WHERE ",
            driver!($driver),
            matching!($matching)
        )
    };
}

/// Batches with a member that matches, newest first. `matches` is what [`super::list::count`] says.
pub async fn places(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    wanted: Wanted<'_>,
    matches: Matches,
) -> Result<Vec<Place>, Error> {
    let page = [wanted.limit.into(), wanted.offset.into()];
    let rows = if filter.is_empty() {
        let sql = "SELECT newest_at, batch_id FROM task_batches
                    WHERE org_id = ?1 AND (newest_at, batch_id) < (?4, ?5)
                 ORDER BY newest_at DESC, batch_id DESC LIMIT ?2 OFFSET ?3";
        let mut params = vec![org.into()];
        params.extend(page);
        params.extend(Position::params(wanted.after));
        db.query(sql, &params).await?
    } else {
        let sql = by_source!(places, filter.source(matches), filter.search.is_some());
        let mut params = filter.params(org);
        params.extend(page);
        params.extend(Position::params(wanted.after));
        db.query(sql, &params).await?
    };
    let place =
        |mut row: Row| Ok(Place { newest_at: row.timestamp(0)?, batch: BatchId(row.text(1)?) });
    rows.into_iter().map(place).collect()
}

/// How many batches have a member that matches.
pub async fn count(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    matches: Matches,
) -> Result<u64, Error> {
    let rows = if filter.is_empty() {
        let sql = "SELECT count(*) FROM task_batches WHERE org_id = ?1";
        db.query(sql, &[org.into()]).await?
    } else {
        let sql = by_source!(total, filter.source(matches), filter.search.is_some());
        db.query(sql, &filter.params(org)).await?
    };
    only(rows)?.integer(0)
}

/// What these batches are about, in their order. `batches` is a JSON array of ids; those that the
/// organisation does not have are left out.
pub async fn list(db: &impl Db, org: &OrgId, batches: &str) -> Result<Vec<Group>, Error> {
    let rows = db
        .query(
            "SELECT first.batch_id, first.type, first.payload, first.created_at, first.created_by,
                    (SELECT count(*) FROM tasks INDEXED BY tasks_by_batch
                      WHERE org_id = ?1 AND batch_id = first.batch_id),
                    (SELECT json_group_object(status, members)
                       FROM (SELECT status, count(*) AS members FROM tasks INDEXED BY tasks_by_batch
                              WHERE org_id = ?1 AND batch_id = first.batch_id
                           GROUP BY status))
               FROM json_each(?2) AS wanted
         CROSS JOIN tasks AS first
                 ON first.rowid = (SELECT rowid FROM tasks INDEXED BY tasks_by_batch
                                    WHERE org_id = ?1 AND batch_id = wanted.value
                                 ORDER BY created_at LIMIT 1)
           ORDER BY wanted.key",
            &[org.into(), batches.into()],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

/// The members of these batches, batch by batch and by hostname.
pub async fn members(db: &impl Db, org: &OrgId, batches: &str) -> Result<Vec<Listed>, Error> {
    let rows = db
        .query(
            concat!(
                "WITH members AS (
                   SELECT wanted.key AS batch_place, tasks.rowid AS member,
                          row_number() OVER (PARTITION BY wanted.key
                                             ORDER BY agents.hostname, tasks.created_at, tasks.id) AS place
                     FROM json_each(?2) AS wanted
               CROSS JOIN tasks ON tasks.org_id = ?1 AND tasks.batch_id = wanted.value
                     JOIN agents ON agents.id = tasks.agent_id)
                 SELECT ",
                shown!(),
                " FROM members CROSS JOIN tasks ON tasks.rowid = members.member
                  WHERE members.place <= ?3
               ORDER BY members.batch_place, members.place LIMIT ?4"
            ),
            &[
                org.into(),
                batches.into(),
                MOST_MEMBERS_OF_ONE.into(),
                MOST_MEMBERS.into(),
                Value::Null,
                Value::Null,
                Value::Null,
                MEMBER_BYTES.into(),
            ],
        )
        .await?;
    rows.into_iter().map(decode_listed).collect()
}

fn decode(mut row: Row) -> Result<Group, Error> {
    Ok(Group {
        batch: BatchId(row.text(0)?),
        kind: row.parsed(1)?,
        payload: row.text(2)?,
        created_at: row.timestamp(3)?,
        created_by: row.optional_text(4)?,
        count: row.integer(5)?,
        status_counts: row.text(6)?,
    })
}

#[cfg(test)]
mod tests {
    use domain::{tasks::TaskStatus, time::Span};

    use super::*;
    use crate::{
        fixtures::{NOW, agent, other_agent, plan, run, task_in},
        native::Memory,
    };

    /// Three batches of `org`, of which the second is the newest, and one of others.
    async fn fleet() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        other_agent(&db, "a2", "org", "key2").await;
        other_agent(&db, "foreign", "other", "key3").await;
        for (id, agent, status, batch, later) in [
            ("t1", "a2", "completed", "b1", 0),
            ("t2", "a1", "failed", "b1", 1),
            ("t3", "a1", "pending", "b2", 9),
            ("t4", "a2", "pending", "b3", 5),
            ("t9", "foreign", "pending", "b2", 99),
        ] {
            task_in(&db, id, agent, status, batch, NOW + Span::seconds(later)).await;
        }
        db
    }

    const ALL: Wanted<'_> = Wanted { limit: 50, offset: 0, after: None };

    async fn check(filter: Filter<'_>, expected: &[&str]) {
        let db = fleet().await;
        let org = "org".into();
        let matches = super::super::list::count(&db, &org, &filter).await.unwrap();
        let list = async |wanted| places(&db, &org, &filter, wanted, matches).await.unwrap();
        let found = list(ALL).await;
        let batches: Vec<_> = found.iter().map(|it| it.batch.as_str()).collect();
        assert_eq!(batches, expected);
        assert_eq!(count(&db, &org, &filter, matches).await.unwrap(), expected.len() as u64);
        let second = list(Wanted { limit: 1, offset: 1, ..ALL }).await;
        assert_eq!(second.first(), found.get(1));
        let mut walked = Vec::new();
        let mut after = None;
        loop {
            let wanted = Wanted { limit: 1, after: after.as_ref(), ..ALL };
            let mut page = places(&db, &org, &filter, wanted, matches).await.unwrap();
            let Some(place) = page.pop() else { break };
            after = Some(Position { at: place.newest_at, id: place.batch.as_str().to_owned() });
            walked.push(place);
        }
        assert_eq!(walked, found);
    }

    #[tokio::test]
    async fn the_batch_with_the_newest_match_comes_first() {
        check(Filter::default(), &["b2", "b3", "b1"]).await;
        check(Filter { agent: Some("a2"), ..Filter::default() }, &["b3", "b1"]).await;
    }

    #[tokio::test]
    async fn one_member_that_matches_brings_its_batch() {
        check(Filter { status: Some(TaskStatus::Failed), ..Filter::default() }, &["b1"]).await;
        check(Filter { search: Some("HOST-A2"), ..Filter::default() }, &["b3", "b1"]).await;
        check(Filter { kind: Some(TaskType::Uninstall), ..Filter::default() }, &[]).await;
        let kind = Some(TaskType::ExecuteTest);
        check(Filter { kind, ..Filter::default() }, &["b2", "b3", "b1"]).await;
        check(Filter { kind, search: Some("a1"), ..Filter::default() }, &["b2", "b1"]).await;
    }

    #[tokio::test]
    async fn a_batch_is_where_its_newest_task_is_and_goes_with_its_last() {
        let db = fleet().await;
        let org = "org".into();
        let listed = async || {
            let found = places(&db, &org, &Filter::default(), ALL, Matches::default()).await;
            found.unwrap().into_iter().map(|it| it.batch.0).collect::<Vec<_>>()
        };
        task_in(&db, "t5", "a1", "pending", "b1", NOW + Span::seconds(20)).await;
        assert_eq!(listed().await, ["b1", "b2", "b3"]);
        run(&db, "DELETE FROM tasks WHERE id IN ('t5', 't4')", &[]).await;
        assert_eq!(listed().await, ["b2", "b1"]);
    }

    #[tokio::test]
    async fn a_batch_shows_all_its_members_by_hostname() {
        let db = fleet().await;
        let org = "org".into();
        let wanted = r#"["b1","b2","nothing"]"#;
        let groups = list(&db, &org, wanted).await.unwrap();
        let shown: Vec<_> = groups
            .iter()
            .map(|it| (it.batch.as_str(), it.count, it.status_counts.as_str()))
            .collect();
        let expected = [("b1", 2, r#"{"completed":1,"failed":1}"#), ("b2", 1, r#"{"pending":1}"#)];
        assert_eq!(shown, expected);
        let members = members(&db, &org, wanted).await.unwrap();
        let shown: Vec<_> = members
            .iter()
            .map(|it| (it.task.batch.as_str(), it.hostname.as_deref(), it.task.id.as_str()))
            .collect();
        let (a1, a2) = (Some("host-a1"), Some("host-a2"));
        assert_eq!(shown, [("b1", a1, "t2"), ("b1", a2, "t1"), ("b2", a1, "t3")]);
    }

    #[tokio::test]
    async fn a_page_has_an_end_however_large_its_batches_are() {
        let db = fleet().await;
        for batch in ["b1", "b2", "b3"] {
            run(
                &db,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
                 INSERT INTO tasks (id, agent_id, org_id, type, payload, execution_timeout_seconds,
                                    ttl_seconds, created_at, expires_at, batch_id)
                 SELECT ?1 || '-' || i, 'a1', 'org', 'execute_test', '{}', 1, 1, 1, 1, ?1 FROM n",
                &[batch.into()],
            )
            .await;
        }
        let shown = members(&db, &"org".into(), r#"["b1","b2","b3"]"#).await.unwrap();
        let of = |batch: &str| shown.iter().filter(|it| it.task.batch == batch).count();
        assert_eq!([of("b1"), of("b2"), of("b3")], [1000, 1000, 0]);
        assert_eq!(list(&db, &"org".into(), r#"["b3"]"#).await.unwrap()[0].count, 1101);
    }

    #[tokio::test]
    async fn batches_are_found_by_their_index() {
        let org = "org".into();
        let (every, none) = (Filter::default(), Matches::default());
        plan(async |db| drop(places(db, &org, &every, ALL, none).await))
            .await
            .uses("task_batches_by_age")
            .never_scans();
        plan(async |db| drop(count(db, &org, &every, none).await))
            .await
            .uses("task_batches_by_age")
            .never_scans();
        let listed = plan(async |db| drop(list(db, &org, r#"["b1"]"#).await)).await;
        assert_eq!(listed.times("(org_id=? AND batch_id=?)"), 3);
        listed.never_reads_an_organisation();
        plan(async |db| drop(members(db, &org, "[]").await))
            .await
            .uses("tasks_by_batch")
            .never_reads_an_organisation();
    }

    #[tokio::test]
    async fn filtered_batches_are_found_by_the_index_of_the_filter() {
        let org = "org".into();
        for (filter, index) in [
            (Filter { agent: Some("a1"), ..Filter::default() }, "tasks_by_agent"),
            (Filter { status: Some(TaskStatus::Failed), ..Filter::default() }, "tasks_by_status"),
            (Filter { kind: Some(TaskType::Uninstall), ..Filter::default() }, "tasks_by_type"),
            (Filter { search: Some("x"), ..Filter::default() }, "tasks_by_subject"),
        ] {
            plan(async |db| drop(places(db, &org, &filter, ALL, Matches::default()).await))
                .await
                .uses(index);
            plan(async |db| drop(count(db, &org, &filter, Matches::default()).await))
                .await
                .uses(index);
        }
    }
}

//! `results`: a row per test or control, and the tasks whose rows are still to be stored.
//!
//! A task is claimed by whoever tries to store it, which is also how attempts are counted and spaced:
//! two runs never try the same one, and one that a crash interrupted is tried again later (D-78).

use domain::{
    ids::{AgentId, OrgId, TaskId},
    results::{FIRST_WAIT, LONGEST_WAIT},
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry, length, only, tasks::Task};

/// A task of which the result is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstored {
    pub task: TaskId,
    pub org: OrgId,
    pub agent: AgentId,
    /// JSON, as fleet.md §4.5.
    pub payload: String,
    /// JSON, as fleet.md §4.6.
    pub result: String,
    pub target_index: Option<String>,
    pub assigned_at: Timestamp,
    pub received_at: Timestamp,
}

impl From<&Task> for Unstored {
    fn from(it: &Task) -> Self {
        Self {
            task: it.id.clone(),
            org: it.org.clone(),
            agent: it.agent.clone(),
            payload: it.payload.clone(),
            result: it.result.clone().unwrap_or_else(|| "null".to_owned()),
            target_index: it.target_index.clone(),
            assigned_at: it.assigned_at.unwrap_or(it.created_at),
            received_at: it.completed_at.unwrap_or(it.created_at),
        }
    }
}

/// The documents of one task.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub task: &'a TaskId,
    pub org: &'a OrgId,
    pub agent: &'a AgentId,
    pub event_at: Timestamp,
    pub hostname: &'a str,
    pub threat_actor: &'a str,
    pub complexity: &'a str,
    pub score: Option<f64>,
    /// JSON, an array.
    pub target: &'a str,
    /// JSON, an array.
    pub tags: &'a str,
    pub target_index: Option<&'a str>,
    pub bundle_id: Option<&'a str>,
    pub bundle_name: Option<&'a str>,
    pub tenant_label: Option<&'a str>,
    /// JSON, an array of objects whose keys are the columns that differ.
    pub documents: &'a str,
}

/// Each organisation's own, and all of them, have an index in the order of their next attempts.
macro_rules! claimed {
    ($whose:literal) => {
        concat!(
            "UPDATE tasks
                SET ingest_attempts = ingest_attempts + 1, last_ingest_attempt_at = ?1,
                    next_ingest_at = ?1 + min(?2 << ingest_attempts, ?3), audit = ?4
              WHERE id = (SELECT id FROM tasks
                           WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0
                             AND ingest_attempts < 10
                             AND coalesce(next_ingest_at, completed_at) <= ?1 ",
            $whose,
            "ORDER BY coalesce(next_ingest_at, completed_at)
                           LIMIT 1)
          RETURNING id, org_id, agent_id, payload, coalesce(result, 'null'), target_index,
                    coalesce(assigned_at, created_at), completed_at"
        )
    };
}

/// The one whose next attempt is due for longest, of one organisation or of all, with this attempt counted and the
/// next one put off. With the entry of whoever asked for it.
pub async fn claim(
    db: &impl Db,
    org: Option<&OrgId>,
    audit: Option<&Entry>,
    now: Timestamp,
) -> Result<Option<Unstored>, Error> {
    let mut params = vec![now.into(), FIRST_WAIT.into(), LONGEST_WAIT.into(), audit.into()];
    let sql = if org.is_some() { claimed!("AND org_id = ?5 ") } else { claimed!("") };
    params.extend(org.map(Into::into));
    db.query(sql, &params).await?.into_iter().next().map(decode).transpose()
}

/// As [`claim`], of the one task that was just completed, unless it is stored already.
pub async fn record_attempt(db: &impl Db, task: &TaskId, now: Timestamp) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET ingest_attempts = ingest_attempts + 1, last_ingest_attempt_at = ?2,
                    next_ingest_at = ?2 + ?3
              WHERE id = ?1 AND ingested = 0 AND ingest_attempts = 0
          RETURNING 1",
            &[task.into(), now.into(), FIRST_WAIT.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Stores the documents of a task, all or none, and notes on the task that they are stored.
/// Returns how many there are. Storing them again overwrites them.
pub async fn record(db: &impl Db, batch: Batch<'_>, now: Timestamp) -> Result<u32, Error> {
    let params = [
        batch.task.into(),
        batch.org.into(),
        batch.agent.into(),
        batch.event_at.into(),
        now.into(),
        batch.hostname.into(),
        batch.threat_actor.into(),
        batch.complexity.into(),
        batch.score.into(),
        batch.target.into(),
        batch.tags.into(),
        batch.target_index.into(),
        batch.bundle_id.into(),
        batch.bundle_name.into(),
        batch.tenant_label.into(),
        batch.documents.into(),
    ];
    let rows = db.query(include_str!("results/record.sql"), &params).await?;
    Ok(length(&rows))
}

/// One organisation's are a stretch of the index, and all of them are all of it.
macro_rules! given_up {
    ($whose:literal) => {
        concat!(
            "SELECT count(*) FROM tasks INDEXED BY tasks_given_up
              WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0
                AND ingest_attempts >= 10 ",
            $whose
        )
    };
}

/// How many were given up, of one organisation or of all.
pub async fn count_given_up(db: &impl Db, org: Option<&OrgId>) -> Result<u64, Error> {
    let sql = if org.is_some() { given_up!("AND org_id = ?1") } else { given_up!("") };
    let params: Vec<_> = org.into_iter().map(Into::into).collect();
    only(db.query(sql, &params).await?)?.integer(0)
}

/// Gives those that were given up another ten attempts, the first one at once. The entry is put on
/// one of them.
pub async fn reset(db: &impl Db, org: &OrgId, audit: &Entry, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET ingest_attempts = 0, next_ingest_at = NULL, audit = iif(place = 1, ?3, NULL)
               FROM (SELECT id AS given_up, row_number() OVER () AS place
                       FROM tasks
                      WHERE status = 'completed' AND type = 'execute_test' AND ingested = 0
                        AND ingest_attempts >= 10 AND org_id = ?1
                      LIMIT ?2)
              WHERE id = given_up
          RETURNING 1",
            &[org.into(), at_most.into(), audit.into()],
        )
        .await?;
    Ok(length(&rows))
}

fn decode(mut row: Row) -> Result<Unstored, Error> {
    Ok(Unstored {
        task: TaskId(row.text(0)?),
        org: OrgId(row.text(1)?),
        agent: AgentId(row.text(2)?),
        payload: row.text(3)?,
        result: row.text(4)?,
        target_index: row.optional_text(5)?,
        assigned_at: row.timestamp(6)?,
        received_at: row.timestamp(7)?,
    })
}

#[cfg(test)]
mod tests;

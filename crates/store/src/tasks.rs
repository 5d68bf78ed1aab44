//! `tasks`: how a row is read, found and called off. What else is done with tasks has modules of
//! its own.

use domain::{
    ids::{AgentId, OrgId, TaskId},
    tasks::{EndedBy, State, TaskStatus, TaskType},
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry};

pub mod bulk;
pub mod creation;
pub mod groups;
pub mod list;
pub mod notes;
#[cfg(test)]
mod retries;
mod search;
pub mod sweeps;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub id: TaskId,
    pub agent: AgentId,
    pub org: OrgId,
    pub kind: TaskType,
    pub priority: u8,
    pub status: TaskStatus,
    /// JSON, as fleet.md §4.5.
    pub payload: String,
    /// JSON.
    pub result: Option<String>,
    pub created_at: Timestamp,
    pub assigned_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub ttl_seconds: u32,
    pub created_by: Option<String>,
    pub notes: Option<String>,
    /// JSON, an array, oldest first.
    pub notes_history: String,
    /// Of all notes ever written; the history keeps the last ones.
    pub notes_count: u32,
    pub target_index: Option<String>,
    pub batch: String,
    pub retry_count: u32,
    pub max_retries: u32,
    pub original: Option<TaskId>,
    pub ingested: bool,
    pub ingest_attempts: u32,
    pub last_ingest_attempt_at: Option<Timestamp>,
    pub late: bool,
    pub ended_by: Option<EndedBy>,
}

impl Task {
    pub fn state(&self) -> State {
        State { kind: self.kind, status: self.status, ended_by: self.ended_by }
    }
}

/// What [`decode`] reads; a list may put something shorter in the place of payload and result.
macro_rules! task_columns {
    () => {
        $crate::tasks::task_columns!("tasks.payload", "tasks.result", "tasks.notes_history")
    };
    ($payload:literal, $result:literal, $notes:literal) => {
        concat!(
            "tasks.id, tasks.agent_id, tasks.org_id, tasks.type, tasks.priority, tasks.status, ",
            $payload,
            ", ",
            $result,
            ", tasks.created_at, tasks.assigned_at, tasks.completed_at, tasks.ttl_seconds,
         tasks.created_by, tasks.notes, ",
            $notes,
            ", tasks.target_index, tasks.batch_id,
         tasks.retry_count, tasks.max_retries, tasks.original_task_id, tasks.ingested,
         tasks.ingest_attempts, iif(tasks.ingest_attempts > 0, tasks.last_ingest_attempt_at, NULL), tasks.late, tasks.ended_by, tasks.notes_count"
        )
    };
}

pub(crate) use task_columns;

/// The first column after [`task_columns`].
pub(crate) const BEYOND: usize = 26;

pub(crate) fn decode(row: &mut Row) -> Result<Task, Error> {
    Ok(Task {
        id: TaskId(row.text(0)?),
        agent: AgentId(row.text(1)?),
        org: OrgId(row.text(2)?),
        kind: row.parsed(3)?,
        priority: row.integer(4)?,
        status: row.parsed(5)?,
        payload: row.text(6)?,
        result: row.optional_text(7)?,
        created_at: row.timestamp(8)?,
        assigned_at: row.optional_timestamp(9)?,
        completed_at: row.optional_timestamp(10)?,
        ttl_seconds: row.integer(11)?,
        created_by: row.optional_text(12)?,
        notes: row.optional_text(13)?,
        notes_history: row.text(14)?,
        notes_count: row.integer(25)?,
        target_index: row.optional_text(15)?,
        batch: row.text(16)?,
        retry_count: row.integer(17)?,
        max_retries: row.integer(18)?,
        original: row.optional_text(19)?.map(TaskId),
        ingested: row.flag(20)?,
        ingest_attempts: row.integer(21)?,
        last_ingest_attempt_at: row.optional_timestamp(22)?,
        late: row.flag(23)?,
        ended_by: if row.is_null(24) { None } else { Some(row.parsed(24)?) },
    })
}

/// `None` also when the task is another organisation's.
pub async fn find(db: &impl Db, org: &OrgId, id: &TaskId) -> Result<Option<Task>, Error> {
    let rows = db
        .query(
            concat!("SELECT ", task_columns!(), " FROM tasks WHERE id = ?1 AND org_id = ?2"),
            &[id.into(), org.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| decode(&mut row)).transpose()
}

/// Ends a task that has not ended, whatever its agent is doing with it, and returns it.
pub async fn record_cancellation(
    db: &impl Db,
    org: &OrgId,
    id: &TaskId,
    entry: &Entry,
) -> Result<Option<Task>, Error> {
    let rows = db
        .query(
            concat!(
                "UPDATE tasks
                    SET status = 'expired', ended_by = 'person', overdue_at = NULL, audit = ?3
                  WHERE id = ?1 AND org_id = ?2
                    AND status IN ('pending', 'assigned', 'downloading', 'executing')
              RETURNING ",
                task_columns!()
            ),
            &[id.into(), org.into(), entry.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| decode(&mut row)).transpose()
}

/// Removes a task, whatever its state. `false` when the organisation has no such task.
/// The entry `task.delete` is what deletes the row.
pub async fn delete(db: &impl Db, org: &OrgId, id: &TaskId, entry: &Entry) -> Result<bool, Error> {
    let sql = "UPDATE tasks SET audit = ?3 WHERE id = ?1 AND org_id = ?2 RETURNING 1";
    Ok(!db.query(sql, &[id.into(), org.into(), entry.into()]).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{agent, entry, task},
        native::Memory,
    };

    async fn with_task(status: &str) -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        task(&db, "t1", status).await;
        db
    }

    #[tokio::test]
    async fn a_task_is_found_by_its_organisation_only() {
        let db = with_task("pending").await;
        let found = find(&db, &"org".into(), &"t1".into()).await.unwrap().unwrap();
        assert_eq!((found.status, found.batch.as_str()), (TaskStatus::Pending, "b1"));
        assert_eq!(find(&db, &"other".into(), &"t1".into()).await.unwrap(), None);
        assert_eq!(find(&db, &"org".into(), &"t2".into()).await.unwrap(), None);
    }

    async fn cancel(db: &Memory, org: &str) -> Option<Task> {
        let entry = entry("task.cancel");
        record_cancellation(db, &org.into(), &"t1".into(), &entry).await.unwrap()
    }

    #[tokio::test]
    async fn every_task_that_has_not_ended_can_be_cancelled_once() {
        for status in ["pending", "assigned", "downloading", "executing"] {
            let db = with_task(status).await;
            let cancelled = cancel(&db, "org").await.unwrap();
            assert_eq!(cancelled.status, TaskStatus::Expired);
            assert_eq!(cancelled.ended_by, Some(EndedBy::Person));
            assert_eq!(cancelled.completed_at, None);
            assert_eq!(cancel(&db, "org").await, None);
        }
    }

    #[tokio::test]
    async fn a_task_of_any_status_is_deleted_once_and_by_its_organisation_only() {
        for status in ["pending", "assigned", "executing", "completed", "failed", "expired"] {
            let db = with_task(status).await;
            let (id, entry) = ("t1".into(), entry("task.delete"));
            assert!(!delete(&db, &"other".into(), &id, &entry).await.unwrap());
            assert!(delete(&db, &"org".into(), &id, &entry).await.unwrap(), "{status}");
            assert!(!delete(&db, &"org".into(), &id, &entry).await.unwrap());
            assert_eq!(find(&db, &"org".into(), &id).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn what_has_ended_or_is_foreign_cannot_be_cancelled() {
        for (status, org) in [("completed", "org"), ("failed", "org"), ("pending", "other")] {
            let db = with_task(status).await;
            assert_eq!(cancel(&db, org).await, None);
        }
    }
}

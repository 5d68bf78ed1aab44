//! What ticks do: a claim by compare-and-set that makes the tasks in the same statement, so that
//! nobody's death loses a run or doubles one (D-54).

use domain::{ids::ScheduleId, time::Timestamp};

use super::{Schedule, decode, schedule_columns};
use crate::{Db, Error, Row, only};

/// A schedule whose row holds what the domain cannot. The others do not wait for it.
#[derive(Debug)]
pub struct Unreadable {
    pub id: ScheduleId,
    pub source: Error,
}

/// Schedules whose time has come, the longest waiting first; those that failed wait behind.
pub async fn list_due(
    db: &impl Db,
    now: Timestamp,
    at_most: u32,
) -> Result<Vec<Result<Schedule, Unreadable>>, Error> {
    let rows = db
        .query(
            concat!(
                "SELECT ",
                schedule_columns!(),
                ", id
                   FROM schedules
                  WHERE status = 'active' AND next_run_at IS NOT NULL
                    AND coalesce(retry_at, next_run_at) <= ?1
               ORDER BY coalesce(retry_at, next_run_at)
                  LIMIT ?2"
            ),
            &[now.into(), at_most.into()],
        )
        .await?;
    let read = |mut row: Row| {
        let id = ScheduleId(row.text(SECOND_ID)?);
        Ok(decode(row).map_err(|source| Unreadable { id, source }))
    };
    rows.into_iter().map(read).collect()
}

/// Behind what [`decode`] reads.
const SECOND_ID: usize = 29;

/// What the tasks of a run have in common.
#[derive(Debug, Clone, Copy)]
pub struct Firing<'a> {
    /// A JSON object: `at`, `expires_at`, `ttl_seconds`, `batch_id`, `os`, `arch`, `payload`.
    pub common: &'a str,
    /// A JSON array of `[task id, agent id, occurrence]`.
    pub targets: &'a str,
}

/// What becomes of a schedule at a tick.
#[derive(Debug, Clone, Copy)]
pub struct Advance<'a> {
    /// What the run stands for; none where nothing runs.
    pub occurrence: Option<Timestamp>,
    pub next: Option<Timestamp>,
    /// A JSON array of `[next run, agent id, occurrence that ran]`, where machines have their own times.
    pub members: Option<&'a str>,
    pub skipped: u32,
    pub firing: Option<Firing<'a>>,
    /// Kept for people to see, with the time of it; none forgets the one before.
    pub error: Option<&'a str>,
    /// Whether this was its last run.
    pub completes: bool,
}

/// Claims the occurrence that was read. `false` when another tick or a change came first.
pub async fn claim(
    db: &impl Db,
    seen: &Schedule,
    advance: Advance<'_>,
    now: Timestamp,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE schedules
                SET next_run_at = ?4, last_run_at = iif(?5 IS NULL, last_run_at, ?6),
                    last_occurrence_at = coalesce(?5, last_occurrence_at),
                    status = iif(?7, 'completed', status),
                    skipped_runs = skipped_runs + ?8, last_skipped_at = iif(?8 > 0, ?6, last_skipped_at),
                    failing_since = NULL, retry_at = NULL,
                    last_error = ?9, last_error_at = iif(?9 IS NULL, NULL, ?6),
                    version = version + 1, updated_at = ?6,
                    firing = ?10, targets = ?11, advance = ?12
              WHERE id = ?1 AND next_run_at = ?2 AND version = ?3 AND status = 'active'
          RETURNING 1",
            &[
                (&seen.id).into(),
                seen.next_run_at.into(),
                seen.version.into(),
                advance.next.into(),
                advance.occurrence.into(),
                now.into(),
                advance.completes.into(),
                advance.skipped.into(),
                advance.error.into(),
                advance.firing.map(|it| it.common).into(),
                advance.firing.map(|it| it.targets).into(),
                advance.members.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Keeps the occurrence for a later tick and says why (D-55).
pub async fn record_failure(
    db: &impl Db,
    seen: &Schedule,
    error: &str,
    now: Timestamp,
) -> Result<(), Error> {
    db.query(
        "UPDATE schedules
            SET last_error = ?4, last_error_at = ?5, failing_since = coalesce(failing_since, ?5),
                retry_at = ?5 + 1, updated_at = ?5
          WHERE id = ?1 AND next_run_at = ?2 AND version = ?3 AND status = 'active'",
        &[
            (&seen.id).into(),
            seen.next_run_at.into(),
            seen.version.into(),
            error.into(),
            now.into(),
        ],
    )
    .await
    .map(drop)
}

/// Keeps what is due for a later tick when something failed that is not the schedule's fault, or when
/// its row cannot be read. It is never given up for that.
pub async fn record_fault(
    db: &impl Db,
    id: &ScheduleId,
    error: &str,
    now: Timestamp,
) -> Result<(), Error> {
    db.query(
        "UPDATE schedules
            SET last_error = ?2, last_error_at = ?3, failing_since = coalesce(failing_since, ?3),
                retry_at = ?3 + 1, updated_at = ?3
          WHERE id = ?1 AND status = 'active' AND coalesce(retry_at, next_run_at) <= ?3",
        &[id.into(), error.into(), now.into()],
    )
    .await
    .map(drop)
}

/// How many tasks a run made.
pub async fn count_tasks(db: &impl Db, seen: &Schedule, batch_id: &str) -> Result<u32, Error> {
    let rows = db
        .query(
            "SELECT count(*) FROM tasks WHERE org_id = ?1 AND batch_id = ?2",
            &[(&seen.org).into(), batch_id.into()],
        )
        .await?;
    only(rows)?.integer(0)
}

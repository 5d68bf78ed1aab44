//! `schedules` and their agents: how rows are read. Making and changing one, and what ticks do, have
//! modules of their own.
//!
//! Lists are bounded in agents, too: a page ends before the schedule whose agents no longer fit.

use domain::{
    ids::{AgentId, OrgId, ScheduleId},
    schedules::{MissedRunPolicy, MissedRuns, ScheduleStatus, ScheduleType},
    time::{Span, Timestamp},
};

use crate::{Db, Error, Row, only};

pub mod changes;
pub mod reach;
pub mod ticks;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub id: ScheduleId,
    pub org: OrgId,
    pub name: Option<String>,
    pub test_uuid: String,
    pub test_name: String,
    pub binary_name: String,
    pub execution_timeout_seconds: u32,
    pub priority: u8,
    /// JSON.
    pub metadata: String,
    pub target_index: Option<String>,
    pub kind: ScheduleType,
    /// JSON, as fleet.md §4.8.
    pub config: String,
    pub timezone: String,
    /// JSON, an array.
    pub blackout_windows: String,
    pub missed: MissedRuns,
    pub status: ScheduleStatus,
    pub next_run_at: Option<Timestamp>,
    pub last_run_at: Option<Timestamp>,
    pub last_occurrence_at: Option<Timestamp>,
    pub skipped_runs: u32,
    pub last_skipped_at: Option<Timestamp>,
    pub failing_since: Option<Timestamp>,
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
    pub version: i64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An agent of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub agent: AgentId,
    /// Only where each machine has a time of its own.
    pub next_run_at: Option<Timestamp>,
    pub last_occurrence_at: Option<Timestamp>,
}

/// Agents that one page of schedules may have together.
pub const MOST_MEMBERS: u32 = 20_000;

/// What [`decode`] reads.
macro_rules! schedule_columns {
    () => {
        "id, org_id, name, test_uuid, test_name, binary_name, execution_timeout_seconds, priority, metadata,
         target_index, schedule_type, schedule_config, timezone, blackout_windows, missed_run_policy,
         missed_run_window_seconds, status, next_run_at, last_run_at, last_occurrence_at, skipped_runs,
         last_skipped_at, failing_since, last_error, last_error_at, version, created_by, created_at, updated_at"
    };
}

pub(crate) use schedule_columns;

pub(crate) fn decode(mut row: Row) -> Result<Schedule, Error> {
    Ok(Schedule {
        id: ScheduleId(row.text(0)?),
        org: OrgId(row.text(1)?),
        name: row.optional_text(2)?,
        test_uuid: row.text(3)?,
        test_name: row.text(4)?,
        binary_name: row.text(5)?,
        execution_timeout_seconds: row.integer(6)?,
        priority: row.integer(7)?,
        metadata: row.text(8)?,
        target_index: row.optional_text(9)?,
        kind: row.parsed(10)?,
        config: row.text(11)?,
        timezone: row.text(12)?,
        blackout_windows: row.text(13)?,
        missed: MissedRuns {
            policy: row.parsed::<MissedRunPolicy>(14)?,
            window: Span::seconds(row.integer(15)?),
        },
        status: row.parsed(16)?,
        next_run_at: row.optional_timestamp(17)?,
        last_run_at: row.optional_timestamp(18)?,
        last_occurrence_at: row.optional_timestamp(19)?,
        skipped_runs: row.integer(20)?,
        last_skipped_at: row.optional_timestamp(21)?,
        failing_since: row.optional_timestamp(22)?,
        last_error: row.optional_text(23)?,
        last_error_at: row.optional_timestamp(24)?,
        version: row.integer(25)?,
        created_by: row.text(26)?,
        created_at: row.timestamp(27)?,
        updated_at: row.timestamp(28)?,
    })
}

/// `None` also for a deleted one and for another organisation's.
pub async fn find(db: &impl Db, org: &OrgId, id: &ScheduleId) -> Result<Option<Schedule>, Error> {
    let rows = db
        .query(
            concat!(
                "SELECT ",
                schedule_columns!(),
                " FROM schedules WHERE id = ?1 AND org_id = ?2 AND status <> 'deleted'"
            ),
            &[id.into(), org.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    pub limit: u32,
    pub offset: u32,
    /// When the last schedule of the page before was created, and its id.
    pub after: Option<(Timestamp, &'a str)>,
}

/// Newest first; never deleted ones.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    status: Option<ScheduleStatus>,
    page: Page<'_>,
) -> Result<Vec<Schedule>, Error> {
    let rows = db
        .query(
            concat!(
                "SELECT ",
                schedule_columns!(),
                " FROM schedules
                  WHERE org_id = ?1 AND status <> 'deleted' AND (?2 IS NULL OR status = ?2)
                    AND (?5 IS NULL OR (created_at, id) < (?5, ?6))
               ORDER BY created_at DESC, id DESC
                  LIMIT ?3 OFFSET ?4"
            ),
            &[
                org.into(),
                status.map(ScheduleStatus::as_str).into(),
                page.limit.into(),
                page.offset.into(),
                page.after.map(|it| it.0).into(),
                page.after.map(|it| it.1).into(),
            ],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

pub async fn count(
    db: &impl Db,
    org: &OrgId,
    status: Option<ScheduleStatus>,
) -> Result<u64, Error> {
    let rows = db
        .query(
            "SELECT count(*) FROM schedules
              WHERE org_id = ?1 AND status <> 'deleted' AND (?2 IS NULL OR status = ?2)",
            &[org.into(), status.map(ScheduleStatus::as_str).into()],
        )
        .await?;
    only(rows)?.integer(0)
}

/// The agents of each schedule, in their order. Of the schedules at the end, those whose agents no
/// longer fit into [`MOST_MEMBERS`] are left out; the first one always fits.
pub async fn list_members(
    db: &impl Db,
    schedules: Vec<Schedule>,
) -> Result<Vec<(Schedule, Vec<Member>)>, Error> {
    let sizes = sizes(db, &schedules).await?;
    let mut room = MOST_MEMBERS;
    let mut listed = Vec::with_capacity(schedules.len());
    for (schedule, size) in schedules.into_iter().zip(sizes) {
        let Some(left) = room.checked_sub(size) else { break };
        room = left;
        let members = if size == 0 { Vec::new() } else { members(db, &schedule.id).await? };
        listed.push((schedule, members));
    }
    Ok(listed)
}

async fn sizes(db: &impl Db, schedules: &[Schedule]) -> Result<Vec<u32>, Error> {
    let ids = schedules.iter().map(|it| format!("\"{}\"", it.id)).collect::<Vec<_>>().join(",");
    let rows = db
        .query(
            "SELECT (SELECT count(*) FROM schedule_agents WHERE schedule_id = wanted.value)
               FROM json_each(?1) AS wanted
           ORDER BY wanted.key",
            &[format!("[{ids}]").into()],
        )
        .await?;
    rows.into_iter().map(|mut row| row.integer(0)).collect()
}

/// The agents of one schedule, in their order.
pub async fn members(db: &impl Db, id: &ScheduleId) -> Result<Vec<Member>, Error> {
    let rows = db
        .query(
            "SELECT agent_id, next_run_at, last_occurrence_at
               FROM schedule_agents
              WHERE schedule_id = ?1
           ORDER BY position",
            &[id.into()],
        )
        .await?;
    let decode = |mut row: Row| {
        Ok(Member {
            agent: AgentId(row.text(0)?),
            next_run_at: row.optional_timestamp(1)?,
            last_occurrence_at: row.optional_timestamp(2)?,
        })
    };
    rows.into_iter().map(decode).collect()
}

#[cfg(test)]
mod tests;

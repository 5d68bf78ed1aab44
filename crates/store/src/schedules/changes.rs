//! Making, changing and ending schedules. Each is one statement; who belongs to the schedule is
//! written by its triggers. A change is a compare-and-set on `version`, which ticks count, too.

use domain::{
    ids::{OrgId, ScheduleId},
    platform::Platform,
    time::Timestamp,
};

use super::Schedule;
use crate::{Db, Error, Value, audit::Entry};

/// Whom a schedule is for.
#[derive(Debug, Clone, Copy)]
pub struct Roster<'a> {
    /// A JSON array of `[next run or null, agent id]`, one pair per distinct agent.
    pub pairs: &'a str,
    /// Agents of another platform do not qualify.
    pub platform: Option<Platform>,
}

/// Every agent is of the organisation, active or disabled, and of the platform.
macro_rules! qualified {
    ($org:literal, $roster:literal, $os:literal, $arch:literal) => {
        concat!(
            "json_array_length(",
            $roster,
            ")
             = (SELECT count(*)
                  FROM json_each(",
            $roster,
            ") AS wanted CROSS JOIN agents ON agents.id = wanted.value ->> 1
                 WHERE agents.org_id = ",
            $org,
            " AND agents.status IN ('active', 'disabled')
                   AND (",
            $os,
            " IS NULL OR agents.os = ",
            $os,
            " AND agents.arch = ",
            $arch,
            "))"
        )
    };
}

/// `false`, and nothing is written, unless every agent qualifies.
pub async fn insert(
    db: &impl Db,
    schedule: &Schedule,
    roster: Roster<'_>,
    audit: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            concat!(
                "INSERT INTO schedules (id, org_id, name, test_uuid, test_name, binary_name,
                                        execution_timeout_seconds, priority, metadata, target_index, schedule_type,
                                        schedule_config, timezone, blackout_windows, missed_run_policy,
                                        missed_run_window_seconds, next_run_at, created_by, created_at, updated_at,
                                        roster, audit)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?19,
                        ?20, ?23
                  WHERE ",
                qualified!("?2", "?20", "?21", "?22"),
                " RETURNING 1"
            ),
            &[
                (&schedule.id).into(),
                (&schedule.org).into(),
                schedule.name.as_deref().into(),
                (&schedule.test_uuid).into(),
                (&schedule.test_name).into(),
                (&schedule.binary_name).into(),
                schedule.execution_timeout_seconds.into(),
                schedule.priority.into(),
                (&schedule.metadata).into(),
                schedule.target_index.as_deref().into(),
                schedule.kind.as_str().into(),
                (&schedule.config).into(),
                (&schedule.timezone).into(),
                (&schedule.blackout_windows).into(),
                schedule.missed.policy.as_str().into(),
                seconds(schedule),
                schedule.next_run_at.into(),
                (&schedule.created_by).into(),
                schedule.created_at.into(),
                roster.pairs.into(),
                roster.platform.map(|it| it.os.as_str()).into(),
                roster.platform.map(|it| it.arch.as_str()).into(),
                audit.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Writes what may change of a schedule as it was read. `false` when somebody or a tick changed it
/// since, or when not every agent of a new roster qualifies.
pub async fn record_change(
    db: &impl Db,
    changed: &Schedule,
    roster: Option<Roster<'_>>,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let platform = roster.and_then(|it| it.platform);
    let rows = db
        .query(
            concat!(
                "UPDATE schedules
                    SET name = ?4, schedule_config = ?5, timezone = ?6, blackout_windows = ?7,
                        missed_run_policy = ?8, missed_run_window_seconds = ?9, status = ?10, priority = ?11,
                        execution_timeout_seconds = ?12, next_run_at = ?13, failing_since = NULL, retry_at = NULL,
                        version = version + 1, updated_at = ?14, roster = ?15, audit = ?18
                  WHERE id = ?1 AND org_id = ?2 AND version = ?3 AND status <> 'deleted'
                    AND (?15 IS NULL OR ",
                qualified!("?2", "?15", "?16", "?17"),
                ") RETURNING 1"
            ),
            &[
                (&changed.id).into(),
                (&changed.org).into(),
                changed.version.into(),
                changed.name.as_deref().into(),
                (&changed.config).into(),
                (&changed.timezone).into(),
                (&changed.blackout_windows).into(),
                changed.missed.policy.as_str().into(),
                seconds(changed),
                changed.status.as_str().into(),
                changed.priority.into(),
                changed.execution_timeout_seconds.into(),
                changed.next_run_at.into(),
                now.into(),
                roster.map(|it| it.pairs).into(),
                platform.map(|it| it.os.as_str()).into(),
                platform.map(|it| it.arch.as_str()).into(),
                audit.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// What became of a wish to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Now,
    Before,
    /// This organisation never had it.
    Unknown,
}

/// The row stays, so that its tasks keep their schedule; its agents leave it.
pub async fn record_deletion(
    db: &impl Db,
    org: &OrgId,
    id: &ScheduleId,
    now: Timestamp,
    audit: &Entry,
) -> Result<Deleted, Error> {
    let deleted = db
        .query(
            "UPDATE schedules
                SET status = 'deleted', next_run_at = NULL, version = version + 1, updated_at = ?3, audit = ?4
              WHERE id = ?1 AND org_id = ?2 AND status <> 'deleted'
          RETURNING 1",
            &[id.into(), org.into(), now.into(), audit.into()],
        )
        .await?;
    if !deleted.is_empty() {
        return Ok(Deleted::Now);
    }
    let known = db
        .query("SELECT 1 FROM schedules WHERE id = ?1 AND org_id = ?2", &[id.into(), org.into()])
        .await?;
    Ok(if known.is_empty() { Deleted::Unknown } else { Deleted::Before })
}

fn seconds(schedule: &Schedule) -> Value {
    (schedule.missed.window.as_millis() / 1000).into()
}

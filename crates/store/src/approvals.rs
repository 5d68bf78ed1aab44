//! `approvals`: what waits for a second person, and the decision. What a decision sets free is done
//! by the table's triggers, in its statement.

use domain::{
    agents::AgentStatus,
    approvals::{ApprovalKind, ApprovalStatus, LIFETIME},
    ids::{AgentId, OrgId, UserId},
    tasks::TaskType,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry, length, only};

pub mod demands;
#[cfg(test)]
mod tests;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub id: String,
    pub kind: ApprovalKind,
    pub status: ApprovalStatus,
    /// JSON, an object.
    pub summary: String,
    pub requested_by: UserId,
    pub requested_at: Timestamp,
    pub expires_at: Timestamp,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<Timestamp>,
    pub reason: Option<String>,
}

/// A batch of tasks that shall wait.
#[derive(Debug, Clone, Copy)]
pub struct NewRequest<'a> {
    pub id: &'a str,
    pub org: &'a OrgId,
    pub kind: ApprovalKind,
    /// JSON, an object.
    pub summary: &'a str,
    /// JSON, an object: what the trigger `approvals_granted` reads.
    pub work: &'a str,
    pub entry: &'a Entry,
}

/// Why a person cannot approve what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    OwnRequest,
    /// One made the account of the other, if by way of others.
    Related,
    /// It is about settings that have changed since.
    Outdated,
}

/// What waiting tasks are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// A JSON array of `[task id, agent id]`.
    pub assignments: String,
    pub kind: TaskType,
    /// JSON.
    pub payload: String,
}

/// An agent that got no task of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub agent: AgentId,
    pub hostname: Option<String>,
    /// `None` when the organisation has no such agent any more.
    pub status: Option<AgentStatus>,
}

/// Where a page begins: after this row.
pub type Key = (i64, String);

macro_rules! columns {
    () => {
        "approvals.id, approvals.kind, approvals.status, approvals.summary, approvals.requested_by,
         approvals.requested_at, approvals.expires_at, approvals.decided_by, approvals.decided_at,
         approvals.reason"
    };
}

/// Asks for tasks, unless an agent of theirs is unknown or gone. Returns when the request ends.
pub async fn insert(db: &impl Db, new: NewRequest<'_>) -> Result<Option<Timestamp>, Error> {
    let expires_at = new.entry.at + LIFETIME;
    let rows = db
        .query(
            "INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at,
                                    updated_at, audit)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, ?9
              WHERE coalesce(json_array_length(?5, '$.assignments'), 0)
                    = (SELECT count(*)
                         FROM json_each(?5, '$.assignments') AS wanted
                   CROSS JOIN agents ON agents.id = wanted.value ->> 1
                        WHERE agents.org_id = ?2 AND agents.status IN ('active', 'disabled'))
          RETURNING 1",
            &[
                new.id.into(),
                new.org.into(),
                new.kind.as_str().into(),
                new.summary.into(),
                new.work.into(),
                (&new.entry.actor).into(),
                new.entry.at.into(),
                expires_at.into(),
                new.entry.into(),
            ],
        )
        .await?;
    Ok((!rows.is_empty()).then_some(expires_at))
}

pub async fn find(db: &impl Db, org: &OrgId, id: &str) -> Result<Option<Approval>, Error> {
    let sql = concat!("SELECT ", columns!(), " FROM approvals WHERE id = ?1 AND org_id = ?2");
    let rows = db.query(sql, &[id.into(), org.into()]).await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Newest first.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    status: Option<ApprovalStatus>,
    after: Option<&Key>,
    limit: u32,
    offset: u32,
) -> Result<Vec<Approval>, Error> {
    let sql = if status.is_some() {
        concat!(
            "SELECT ",
            columns!(),
            " FROM approvals WHERE org_id = ?1 AND status = ?2
                 AND (requested_at, id) < (?3, ?4)
            ORDER BY requested_at DESC, id DESC LIMIT ?5 OFFSET ?6"
        )
    } else {
        concat!(
            "SELECT ",
            columns!(),
            " FROM approvals WHERE org_id = ?1 AND ?2 IS NULL
                 AND (requested_at, id) < (?3, ?4)
            ORDER BY requested_at DESC, id DESC LIMIT ?5 OFFSET ?6"
        )
    };
    let (at, id) = after.map_or((i64::MAX, ""), |it| (it.0, it.1.as_str()));
    let params = [
        org.into(),
        status.map(ApprovalStatus::as_str).into(),
        at.into(),
        id.into(),
        limit.into(),
        offset.into(),
    ];
    db.query(sql, &params).await?.into_iter().map(decode).collect()
}

pub async fn count(
    db: &impl Db,
    org: &OrgId,
    status: Option<ApprovalStatus>,
) -> Result<u64, Error> {
    let params = [org.into(), status.map(ApprovalStatus::as_str).into()];
    let sql = if status.is_some() {
        "SELECT count(*) FROM approvals WHERE org_id = ?1 AND status = ?2"
    } else {
        "SELECT count(*) FROM approvals WHERE org_id = ?1 AND ?2 IS NULL"
    };
    only(db.query(sql, &params).await?)?.integer(0)
}

/// Who asked, in person: for a key, who made it.
macro_rules! asker {
    () => {
        "coalesce((SELECT api_keys.created_by FROM api_keys
                    WHERE api_keys.id = substr(approvals.requested_by, 8)
                      AND approvals.requested_by = 'apikey:' || api_keys.id),
                  approvals.requested_by)"
    };
}

/// That `?1` of organisation `?2` can be approved by `?3` at `?4`: by another person than the one who
/// asked, of whom neither made the other's account; and that settings are still what they were when
/// somebody asked for others.
macro_rules! approvable {
    () => {
        concat!(
            "approvals.id = ?1 AND approvals.org_id = ?2 AND approvals.status = 'pending_approval'
             AND approvals.expires_at > ?4 AND ?3 <> ",
            asker!(),
            " AND NOT EXISTS (SELECT 1 FROM user_lineage WHERE user_id = ?3 AND ancestor_id = ",
            asker!(),
            ") AND NOT EXISTS (SELECT 1 FROM user_lineage WHERE ancestor_id = ?3 AND user_id = ",
            asker!(),
            ") AND (approvals.kind <> 'settings'
                    OR approvals.work ->> 'version'
                       = coalesce((SELECT version FROM organization_settings
                                    WHERE org_id = ?2 AND name = 'approvals'), 0))"
        )
    };
}

/// Another person agrees. `None` when that may not be (`approvable!`); [`find_obstacle`] tells why.
pub async fn record_approval(
    db: &impl Db,
    org: &OrgId,
    id: &str,
    entry: &Entry,
) -> Result<Option<Approval>, Error> {
    let rows = db
        .query(
            concat!(
                "UPDATE approvals
                    SET status = 'approved', decided_by = ?3, decided_at = ?4, updated_at = ?4, audit = ?5
                  WHERE ",
                approvable!(),
                " RETURNING ",
                columns!()
            ),
            &[id.into(), org.into(), (&entry.actor).into(), entry.at.into(), entry.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Whether [`record_approval`] would do it.
pub async fn is_approvable(
    db: &impl Db,
    org: &OrgId,
    id: &str,
    person: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let sql = concat!("SELECT 1 FROM approvals WHERE ", approvable!());
    let params = [id.into(), org.into(), person.into(), now.into()];
    Ok(!db.query(sql, &params).await?.is_empty())
}

/// What keeps a person from approving what nobody has decided yet.
pub async fn find_obstacle(
    db: &impl Db,
    org: &OrgId,
    id: &str,
    person: &str,
) -> Result<Option<Obstacle>, Error> {
    let sql = concat!(
        "SELECT ?3 = ",
        asker!(),
        ", EXISTS (SELECT 1 FROM user_lineage WHERE user_id = ?3 AND ancestor_id = ",
        asker!(),
        ") OR EXISTS (SELECT 1 FROM user_lineage WHERE ancestor_id = ?3 AND user_id = ",
        asker!(),
        ") FROM approvals WHERE id = ?1 AND org_id = ?2"
    );
    let rows = db.query(sql, &[id.into(), org.into(), person.into()]).await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let (is_own, is_related) = (row.flag(0)?, row.flag(1)?);
    Ok(Some(match (is_own, is_related) {
        (true, _) => Obstacle::OwnRequest,
        (false, true) => Obstacle::Related,
        (false, false) => Obstacle::Outdated,
    }))
}

/// Somebody says no; who asked may, too. `None` when it has been decided or is too late.
pub async fn record_denial(
    db: &impl Db,
    org: &OrgId,
    id: &str,
    reason: Option<&str>,
    entry: &Entry,
) -> Result<Option<Approval>, Error> {
    let rows = db
        .query(
            concat!(
                "UPDATE approvals
                    SET status = 'denied', decided_by = ?3, decided_at = ?4, updated_at = ?4, reason = ?6,
                        audit = ?5
                  WHERE id = ?1 AND org_id = ?2 AND status = 'pending_approval' AND expires_at > ?4
              RETURNING ",
                columns!()
            ),
            &[
                id.into(),
                org.into(),
                (&entry.actor).into(),
                entry.at.into(),
                entry.into(),
                reason.into(),
            ],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Ends at most `at_most` requests that nobody decided in time.
pub async fn expire(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "UPDATE approvals
                SET status = 'expired', decided_at = ?1, updated_at = ?1
              WHERE id IN (SELECT id FROM approvals
                            WHERE status = 'pending_approval' AND expires_at <= ?1
                         ORDER BY expires_at LIMIT ?2)
          RETURNING 1",
            &[now.into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// `None` when no tasks wait for it.
pub async fn find_work(db: &impl Db, org: &OrgId, id: &str) -> Result<Option<Work>, Error> {
    let rows = db
        .query(
            "SELECT work -> 'assignments', work ->> 'type', work ->> 'payload'
               FROM approvals
              WHERE id = ?1 AND org_id = ?2 AND work -> 'assignments' IS NOT NULL",
            &[id.into(), org.into()],
        )
        .await?;
    let decode = |mut row: Row| {
        Ok(Work { assignments: row.text(0)?, kind: row.parsed(1)?, payload: row.text(2)? })
    };
    rows.into_iter().next().map(decode).transpose()
}

/// The agents that an approval gave nothing, in the order in which they were asked for.
pub async fn list_left_out(db: &impl Db, org: &OrgId, id: &str) -> Result<Vec<LeftOut>, Error> {
    let rows = db
        .query(
            "SELECT wanted.value ->> 1, agents.hostname, agents.status
               FROM approvals
         CROSS JOIN json_each(approvals.work, '$.assignments') AS wanted
          LEFT JOIN agents ON agents.id = wanted.value ->> 1 AND agents.org_id = ?2
              WHERE approvals.id = ?1 AND approvals.org_id = ?2 AND approvals.status = 'approved'
                AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id = wanted.value ->> 0)
           ORDER BY wanted.key",
            &[id.into(), org.into()],
        )
        .await?;
    let decode = |mut row: Row| {
        Ok(LeftOut {
            agent: AgentId(row.text(0)?),
            hostname: row.optional_text(1)?,
            status: row.optional_parsed(2)?,
        })
    };
    rows.into_iter().map(decode).collect()
}

/// The tasks that an approval set free, in the order in which they were asked for.
pub async fn list_tasks(db: &impl Db, org: &OrgId, id: &str) -> Result<Vec<String>, Error> {
    let rows = db
        .query(
            "SELECT tasks.id
               FROM approvals
         CROSS JOIN json_each(approvals.work, '$.assignments') AS wanted
         CROSS JOIN tasks ON tasks.id = wanted.value ->> 0
              WHERE approvals.id = ?1 AND approvals.org_id = ?2 AND approvals.status = 'approved'
                AND tasks.org_id = ?2
           ORDER BY wanted.key",
            &[id.into(), org.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| row.text(0)).collect()
}

fn decode(mut row: Row) -> Result<Approval, Error> {
    Ok(Approval {
        id: row.text(0)?,
        kind: row.parsed(1)?,
        status: row.parsed(2)?,
        summary: row.text(3)?,
        requested_by: UserId(row.text(4)?),
        requested_at: row.timestamp(5)?,
        expires_at: row.timestamp(6)?,
        decided_by: row.optional_text(7)?.map(UserId),
        decided_at: row.optional_timestamp(8)?,
        reason: row.optional_text(9)?,
    })
}

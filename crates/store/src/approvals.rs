//! `approvals`: what waits for a second person, and the decision. What a decision sets free is done
//! by the table's triggers, in its statement.

use domain::{
    approvals::{ApprovalKind, ApprovalStatus, LIFETIME},
    ids::{OrgId, UserId},
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

/// Another person agrees: neither who asked, nor whose key asked. `None` when that does not hold, or
/// when it has been decided or is too late; the caller looks which.
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
                  WHERE id = ?1 AND org_id = ?2 AND status = 'pending_approval' AND expires_at > ?4
                    AND requested_by <> ?3
                    AND NOT EXISTS (SELECT 1 FROM api_keys
                                     WHERE approvals.requested_by = 'apikey:' || api_keys.id
                                       AND api_keys.id = substr(approvals.requested_by, 8)
                                       AND api_keys.created_by = ?3)
              RETURNING ",
                columns!()
            ),
            &[id.into(), org.into(), (&entry.actor).into(), entry.at.into(), entry.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
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

//! `device_logins`: devices that wait to be signed in, found by the digest of the device's code or
//! by the code that a person reads.

use domain::{
    ids::{OrgId, UserId},
    permissions::Role,
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, audit::Entry, sessions::NewSession};

/// How far a login has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Unknown,
    Expired,
    Pending,
    /// Approved, and not yet claimed.
    Approved,
}

/// Whom a device was signed in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub user: UserId,
    pub org: OrgId,
    pub role: Option<Role>,
    pub email: Option<String>,
    pub name: Option<String>,
}

/// Who approves.
#[derive(Debug)]
pub struct Approver<'a> {
    pub user: &'a UserId,
    pub org: &'a OrgId,
    /// Only of people without an account here; of others it is the account's.
    pub role: Option<Role>,
    pub has_account: bool,
}

/// `false` when somebody reads this code just now.
pub async fn insert(
    db: &impl Db,
    device: &Digest,
    user_code: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "INSERT INTO device_logins (device_digest, user_code, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (user_code) DO NOTHING
          RETURNING 1",
            &[device.into(), user_code.into(), now.into(), expires_at.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// `false` when no device waits with this code, or another approval came first.
pub async fn record_approval(
    db: &impl Db,
    user_code: &str,
    by: &Approver<'_>,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE device_logins
                SET approved_at = ?2, user_id = ?3, org_id = ?4, role = ?5, account_id = iif(?6, ?3, NULL),
                    audit = ?7
              WHERE user_code = ?1 AND expires_at > ?2 AND approved_at IS NULL
          RETURNING 1",
            &[
                user_code.into(),
                now.into(),
                by.user.into(),
                by.org.into(),
                by.role.map(Role::word).into(),
                by.has_account.into(),
                audit.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Whether this person approved this code before.
pub async fn is_approved_by(
    db: &impl Db,
    user_code: &str,
    user: &UserId,
    now: Timestamp,
) -> Result<bool, Error> {
    let sql =
        "SELECT 1 FROM device_logins WHERE user_code = ?1 AND user_id = ?2 AND expires_at > ?3";
    Ok(!db.query(sql, &[user_code.into(), user.into(), now.into()]).await?.is_empty())
}

/// Takes an approval, once, and begins the session. None when there is nothing to take. The entry's
/// actor becomes whoever approved.
pub async fn claim(
    db: &impl Db,
    device: &Digest,
    new: &NewSession<'_>,
    now: Timestamp,
    audit: &Entry,
) -> Result<Option<Claimed>, Error> {
    let rows = db
        .query(
            "UPDATE device_logins
                SET claimed_at = ?2, session_id = ?3, refresh_digest = ?4, session_expires_at = ?5,
                    session_audit = json_set(?6, '$.actor', user_id)
              WHERE device_digest = ?1 AND expires_at > ?2 AND approved_at IS NOT NULL
                AND (account_id IS NULL
                     OR EXISTS (SELECT 1 FROM users WHERE id = account_id AND status = 'active'))
          RETURNING user_id, org_id,
                    iif(account_id IS NULL, role, (SELECT role FROM users WHERE id = account_id)),
                    (SELECT email FROM users WHERE id = account_id),
                    (SELECT name FROM users WHERE id = account_id)",
            &[
                device.into(),
                now.into(),
                new.id.into(),
                new.refresh.into(),
                new.expires_at.into(),
                audit.into(),
            ],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    Ok(Some(Claimed {
        user: UserId(row.text(0)?),
        org: OrgId(row.text(1)?),
        role: row.optional_parsed(2)?,
        email: row.optional_text(3)?,
        name: row.optional_text(4)?,
    }))
}

pub async fn stage(db: &impl Db, device: &Digest, now: Timestamp) -> Result<Stage, Error> {
    let rows = db
        .query(
            "SELECT expires_at > ?2, approved_at IS NOT NULL FROM device_logins WHERE device_digest = ?1",
            &[device.into(), now.into()],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(Stage::Unknown) };
    Ok(match (row.flag(0)?, row.flag(1)?) {
        (false, _) => Stage::Expired,
        (true, false) => Stage::Pending,
        (true, true) => Stage::Approved,
    })
}

/// Forgets a device that waited too long.
pub async fn delete_expired(db: &impl Db, device: &Digest, now: Timestamp) -> Result<(), Error> {
    let sql = "DELETE FROM device_logins WHERE device_digest = ?1 AND expires_at <= ?2";
    db.query(sql, &[device.into(), now.into()]).await.map(drop)
}

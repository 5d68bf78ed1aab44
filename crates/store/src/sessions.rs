//! `sessions`: who signed in, found by the digest of the refresh token, admitted by id.
//!
//! A session of an account says nothing by itself: organisation, role and status are the account's,
//! as they are now.

use domain::{
    ids::{OrgId, SessionId, UserId},
    permissions::Role,
    rate_limit::{Counted, Limit},
    secrets::Digest,
    sessions::Kind,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry, users::Account};

/// Whom a session stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub user: UserId,
    pub org: OrgId,
    pub role: Option<Role>,
}

/// A session that was refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    pub id: SessionId,
    pub user: UserId,
}

/// A session that is to begin.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub id: &'a SessionId,
    pub refresh: &'a Digest,
    pub expires_at: Timestamp,
}

/// Begins a session of an account whose password fits. `false` when the account, or its password,
/// has changed since it was read.
pub async fn begin(
    db: &impl Db,
    new: &NewSession<'_>,
    account: &Account,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "INSERT INTO sessions (id, kind, account_id, user_id, org_id, refresh_digest, created_at, refreshed_at, expires_at, audit)
             SELECT ?1, 'local', id, id, org_id, ?4, ?6, ?6, ?5, ?7
               FROM users
              WHERE id = ?2 AND password_hash = ?3 AND status = 'active'
          RETURNING 1",
            &[
                new.id.into(),
                (&account.id).into(),
                account.verifier.as_str().into(),
                new.refresh.into(),
                new.expires_at.into(),
                now.into(),
                audit.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Admits a request of a living session and counts it against its person, in one statement. None
/// when the session has ended, was never one of this kind, or its account may not sign in.
pub async fn admit(
    db: &impl Db,
    id: &SessionId,
    kind: Kind,
    limit: Limit,
    now: Timestamp,
) -> Result<Option<(Principal, Counted)>, Error> {
    let rows = db
        .query(
            include_str!("sessions/admit.sql"),
            &[
                id.into(),
                now.into(),
                (now + limit.window()).into(),
                limit.requests.into(),
                kind.word().into(),
            ],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let counted = limit.judge(row.integer(0)?, row.timestamp(1)?, now);
    let principal = Principal {
        user: UserId(row.text(2)?),
        org: OrgId(row.text(3)?),
        role: row.optional_parsed(4)?,
    };
    Ok(Some((principal, counted)))
}

/// Exchanges the refresh token of a local session for the next one. None when it is not the one
/// that is good now.
pub async fn rotate(
    db: &impl Db,
    presented: &Digest,
    next: &Digest,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Refreshed>, Error> {
    let rows = db
        .query(
            "UPDATE sessions SET refresh_digest = ?2, expires_at = ?3, refreshed_at = ?4
              WHERE refresh_digest = ?1 AND kind = 'local' AND ended_at IS NULL AND expires_at > ?4
                AND EXISTS (SELECT 1 FROM users WHERE id = account_id AND status = 'active')
          RETURNING id, user_id",
            &[presented.into(), next.into(), expires_at.into(), now.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Notes that a device's session goes on. Its refresh token stays good.
pub async fn record_refresh(
    db: &impl Db,
    presented: &Digest,
    now: Timestamp,
) -> Result<Option<Refreshed>, Error> {
    let rows = db
        .query(
            "UPDATE sessions SET refreshed_at = ?2
              WHERE refresh_digest = ?1 AND kind = 'cli' AND ended_at IS NULL AND expires_at > ?2
                AND (account_id IS NULL
                     OR EXISTS (SELECT 1 FROM users WHERE id = account_id AND status = 'active'))
          RETURNING id, user_id",
            &[presented.into(), now.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Ends the session that this token was exchanged in: somebody has a copy. Whose it was, when it lived.
/// The entry's actor becomes the session's person.
pub async fn end_reused(
    db: &impl Db,
    presented: &Digest,
    now: Timestamp,
    audit: &Entry,
) -> Result<Option<OrgId>, Error> {
    let rows = db
        .query(
            "UPDATE sessions SET ended_at = ?2, audit = json_set(?3, '$.actor', user_id)
              WHERE id = (SELECT session_id FROM rotated_refresh_tokens WHERE digest = ?1)
                AND ended_at IS NULL
          RETURNING org_id",
            &[presented.into(), now.into(), audit.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| Ok(OrgId(row.text(0)?))).transpose()
}

/// Ends the session of this refresh token. Whose it was, when it lived. The entry's actor becomes the
/// session's person.
pub async fn end(
    db: &impl Db,
    presented: &Digest,
    kind: Kind,
    now: Timestamp,
    audit: &Entry,
) -> Result<Option<OrgId>, Error> {
    let rows = db
        .query(
            "UPDATE sessions SET ended_at = ?3, audit = json_set(?4, '$.actor', user_id)
              WHERE refresh_digest = ?1 AND kind = ?2 AND ended_at IS NULL
          RETURNING org_id",
            &[presented.into(), kind.word().into(), now.into(), audit.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| Ok(OrgId(row.text(0)?))).transpose()
}

/// Ends every session of a person in this organisation, and forgets what they approved and no device
/// has claimed yet. How many sessions there were; none when there was nothing to end.
///
/// One row of the log, whatever it ends (the trigger `session_endings_ordered`).
pub async fn end_all(
    db: &impl Db,
    org: &OrgId,
    user: &UserId,
    audit: &Entry,
) -> Result<Option<u32>, Error> {
    let rows = db
        .query(
            "INSERT INTO session_endings (org_id, user_id, entry, ended)
             SELECT ?1, ?2, ?3, (SELECT count(*) FROM sessions
                                  WHERE org_id = ?1 AND user_id = ?2 AND ended_at IS NULL AND expires_at > ?4)
              WHERE EXISTS (SELECT 1 FROM sessions
                             WHERE org_id = ?1 AND user_id = ?2 AND ended_at IS NULL AND expires_at > ?4)
                 OR EXISTS (SELECT 1 FROM device_logins WHERE org_id = ?1 AND user_id = ?2)
          RETURNING ended",
            &[org.into(), user.into(), audit.into(), audit.at.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| row.integer(0)).transpose()
}

fn decode(mut row: Row) -> Result<Refreshed, Error> {
    Ok(Refreshed { id: SessionId(row.text(0)?), user: UserId(row.text(1)?) })
}

#[cfg(test)]
mod tests;

//! `users`: people whom no identity provider vouches for. An address is one account, whatever the
//! organisation.
//!
//! Of an organisation's active administrators one always remains: every statement that could take
//! the last one away looks for another as it goes.

use domain::{
    accounts::{Email, Name},
    ids::{OrgId, SessionId, UserId},
    passwords::Verifier,
    permissions::Role,
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: Option<Role>,
    pub is_active: bool,
    pub last_active_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Debug)]
pub struct NewUser<'a> {
    pub id: &'a UserId,
    pub email: &'a Email,
    pub name: &'a Name,
    pub verifier: &'a Verifier,
}

/// What whoever was invited brings.
#[derive(Debug)]
pub struct Invited<'a> {
    pub id: &'a UserId,
    pub name: &'a Name,
    pub verifier: &'a Verifier,
}

/// What signing in needs to know.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: UserId,
    pub org: OrgId,
    pub name: String,
    pub email: String,
    pub role: Option<Role>,
    pub verifier: Verifier,
    pub is_active: bool,
    pub created_at: Timestamp,
}

/// What somebody else may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Role(Option<Role>),
    Active(bool),
    Removal,
}

/// Whoever the entry names has made it, and approves nothing that it asks for (the trigger
/// `users_descended`). `false` when the address has an account already.
pub async fn insert(
    db: &impl Db,
    org: &OrgId,
    new: &NewUser<'_>,
    role: Option<Role>,
    now: Timestamp,
    audit: Option<&Entry>,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "INSERT INTO users (id, org_id, email, name, password_hash, role, created_at, updated_at, audit,
                                created_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)
                 ON CONFLICT (email) DO NOTHING
          RETURNING 1",
            &[
                new.id.into(),
                org.into(),
                new.email.as_str().into(),
                new.name.as_str().into(),
                new.verifier.as_str().into(),
                role.map(Role::word).into(),
                now.into(),
                audit.into(),
                audit.map(|it| it.actor.as_str()).into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Accepts the invitation of this secret, once. None when there is no such invitation any more, or
/// its address has an account already. Organisation, address, role and who is
/// behind the account are the invitation's.
pub async fn insert_invited(
    db: &impl Db,
    new: &Invited<'_>,
    invitation: &Digest,
    now: Timestamp,
    audit: &Entry,
) -> Result<Option<(OrgId, User)>, Error> {
    let rows = db
        .query(
            "INSERT INTO users (id, org_id, email, name, password_hash, role, invitation_id, created_at, updated_at,
                                created_by, audit)
             SELECT ?1, org_id, email, ?2, ?3, role, id, ?5, ?5, created_by, ?6
               FROM invitations
              WHERE digest = ?4 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?5
                 ON CONFLICT (email) DO NOTHING
          RETURNING id, email, name, role, status, last_active_at, created_at, org_id",
            &[
                new.id.into(),
                new.name.as_str().into(),
                new.verifier.as_str().into(),
                invitation.into(),
                now.into(),
                audit.into(),
            ],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    Ok(Some((OrgId(row.text(7)?), decode(row)?)))
}

pub async fn find_by_email(db: &impl Db, email: &Email) -> Result<Option<Account>, Error> {
    let rows = db
        .query(
            "SELECT id, org_id, name, email, role, password_hash, status, created_at FROM users WHERE email = ?1",
            &[email.as_str().into()],
        )
        .await?;
    rows.into_iter().next().map(decode_account).transpose()
}

pub async fn find_account(db: &impl Db, id: &UserId) -> Result<Option<Account>, Error> {
    let rows = db
        .query(
            "SELECT id, org_id, name, email, role, password_hash, status, created_at FROM users WHERE id = ?1",
            &[id.into()],
        )
        .await?;
    rows.into_iter().next().map(decode_account).transpose()
}

/// Oldest first, with how many there are.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    (limit, offset): (u32, u32),
) -> Result<(Vec<User>, u32), Error> {
    let rows = db
        .query(
            "SELECT id, email, name, role, status, last_active_at, created_at
               FROM users
              WHERE org_id = ?1
           ORDER BY created_at, id
              LIMIT ?2 OFFSET ?3",
            &[org.into(), limit.into(), offset.into()],
        )
        .await?;
    let users = rows.into_iter().map(decode).collect::<Result<_, _>>()?;
    let total = db.query("SELECT count(*) FROM users WHERE org_id = ?1", &[org.into()]).await?;
    Ok((users, crate::only(total)?.integer(0)?))
}

/// Changes an account of this organisation. `false` when there is no such account, or when the
/// organisation would be left without an active administrator.
///
/// An entry named `user.remove` removes it (the trigger `users_change_audited`).
pub async fn record_change(
    db: &impl Db,
    org: &OrgId,
    id: &UserId,
    change: Change,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let role = match change {
        Change::Role(role) => Some(role.map(Role::word)),
        Change::Active(_) | Change::Removal => None,
    };
    let status = match change {
        Change::Active(true) => Some("active"),
        Change::Active(false) => Some("disabled"),
        Change::Role(_) | Change::Removal => None,
    };
    let keeps_admin = matches!(change, Change::Role(Some(Role::Admin)) | Change::Active(true));
    let rows = db
        .query(
            "UPDATE users
                SET role = iif(?3, ?4, role), status = coalesce(?5, status), updated_at = ?6, audit = ?7
              WHERE id = ?1 AND org_id = ?2
                AND (?8 OR role IS NOT 'admin' OR status <> 'active'
                     OR EXISTS (SELECT 1 FROM users AS other
                                 WHERE other.org_id = ?2 AND other.role = 'admin'
                                   AND other.status = 'active' AND other.id <> ?1))
          RETURNING 1",
            &[
                id.into(),
                org.into(),
                role.is_some().into(),
                role.flatten().into(),
                status.into(),
                now.into(),
                audit.into(),
                keeps_admin.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

pub async fn exists(db: &impl Db, org: &OrgId, id: &UserId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND org_id = ?2";
    Ok(!db.query(sql, &[id.into(), org.into()]).await?.is_empty())
}

/// Puts another password in place of the one that was verified, and ends all sessions but `kept`.
/// `false` when it was changed by somebody else meanwhile.
pub async fn record_password(
    db: &impl Db,
    account: &Account,
    verifier: &Verifier,
    kept: &SessionId,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE users SET password_hash = ?3, kept_session_id = ?4, updated_at = ?5, audit = ?6
              WHERE id = ?1 AND password_hash = ?2 AND status = 'active'
          RETURNING 1",
            &[
                (&account.id).into(),
                account.verifier.as_str().into(),
                verifier.as_str().into(),
                kept.into(),
                now.into(),
                audit.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

fn decode(mut row: Row) -> Result<User, Error> {
    Ok(User {
        id: UserId(row.text(0)?),
        email: row.text(1)?,
        name: row.text(2)?,
        role: row.optional_parsed(3)?,
        is_active: row.text(4)? == "active",
        last_active_at: row.optional_timestamp(5)?,
        created_at: row.timestamp(6)?,
    })
}

fn decode_account(mut row: Row) -> Result<Account, Error> {
    Ok(Account {
        id: UserId(row.text(0)?),
        org: OrgId(row.text(1)?),
        name: row.text(2)?,
        email: row.text(3)?,
        role: row.optional_parsed(4)?,
        verifier: row.text(5)?.into(),
        is_active: row.text(6)? == "active",
        created_at: row.timestamp(7)?,
    })
}

#[cfg(test)]
pub(crate) mod tests;

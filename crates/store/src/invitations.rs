//! `invitations`: who may make an account, found by the digest of the secret. They are accepted by
//! [`crate::users::insert_invited`].

use domain::{
    accounts::Email,
    ids::{InvitationId, OrgId, UserId},
    permissions::Role,
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug)]
pub struct NewInvitation<'a> {
    pub id: &'a InvitationId,
    pub email: &'a Email,
    pub role: Role,
    pub created_by: &'a UserId,
    pub expires_at: Timestamp,
}

/// Invites, or invites again: then only the secret, the role and the times are new. None when the
/// address has an account already.
pub async fn upsert(
    db: &impl Db,
    org: &OrgId,
    new: &NewInvitation<'_>,
    digest: &Digest,
    now: Timestamp,
    audit: &Entry,
) -> Result<Option<Invitation>, Error> {
    let rows = db
        .query(
            "INSERT INTO invitations (id, org_id, email, role, digest, created_at, created_by, expires_at, updated_at, audit)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?6, ?9
              WHERE NOT EXISTS (SELECT 1 FROM users WHERE email = ?3)
                 ON CONFLICT (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL DO UPDATE
                SET role = excluded.role, digest = excluded.digest, created_by = excluded.created_by,
                    created_at = excluded.created_at, expires_at = excluded.expires_at,
                    updated_at = excluded.updated_at, audit = excluded.audit
          RETURNING id, email, role, created_at, expires_at",
            &[
                new.id.into(),
                org.into(),
                new.email.as_str().into(),
                new.role.word().into(),
                digest.into(),
                now.into(),
                new.created_by.into(),
                new.expires_at.into(),
                audit.into(),
            ],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Those that can still be accepted, newest first.
pub async fn list_pending(
    db: &impl Db,
    org: &OrgId,
    (limit, offset): (u32, u32),
    now: Timestamp,
) -> Result<Vec<Invitation>, Error> {
    let rows = db
        .query(
            "SELECT id, email, role, created_at, expires_at
               FROM invitations
              WHERE org_id = ?1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?2
           ORDER BY created_at DESC, id DESC
              LIMIT ?3 OFFSET ?4",
            &[org.into(), now.into(), limit.into(), offset.into()],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

/// `false` when this organisation has no such invitation that could still be accepted.
pub async fn revoke(
    db: &impl Db,
    org: &OrgId,
    id: &InvitationId,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE invitations SET revoked_at = ?3, updated_at = ?3, audit = ?4
              WHERE id = ?1 AND org_id = ?2 AND accepted_at IS NULL AND revoked_at IS NULL
          RETURNING 1",
            &[id.into(), org.into(), now.into(), audit.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Whether the invitation of this secret can still be accepted.
pub async fn is_pending(db: &impl Db, digest: &Digest, now: Timestamp) -> Result<bool, Error> {
    let rows = db
        .query(
            "SELECT 1 FROM invitations
              WHERE digest = ?1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?2",
            &[digest.into(), now.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

fn decode(mut row: Row) -> Result<Invitation, Error> {
    Ok(Invitation {
        id: InvitationId(row.text(0)?),
        email: row.text(1)?,
        role: row.parsed(2)?,
        created_at: row.timestamp(3)?,
        expires_at: row.timestamp(4)?,
    })
}

//! `agent_releases`: agent binaries, one row per organisation, version and platform.

use domain::{
    ids::OrgId,
    platform::{Arch, Os, Platform},
    precedence,
    releases::Release,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The digest of the bytes that thereby lost a reference.
    pub replaced: Option<String>,
    /// What has to be approved before anybody is offered the release.
    pub awaiting_approval: Option<String>,
    pub promoted: bool,
}

/// Which releases are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    pub os: Option<Os>,
    pub arch: Option<Arch>,
}

/// Where a page begins: after this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub created_at: Timestamp,
    pub version: String,
    pub platform: Platform,
}

macro_rules! columns {
    () => {
        "version, os, arch, release_notes, mandatory, binary_sha256, binary_size, binary_signature, signed,
         created_at, awaiting_approval,
         EXISTS (SELECT 1 FROM release_promotions AS promoted
                  WHERE promoted.org_id = agent_releases.org_id AND promoted.os = agent_releases.os
                    AND promoted.arch = agent_releases.arch AND promoted.version = agent_releases.version)"
    };
}

/// The promoted release of an organisation and platform, as long as it may be offered; any other
/// only while there is none.
macro_rules! preferred {
    () => {
        "version = coalesce((SELECT promoted.version
                               FROM release_promotions AS promoted
                         CROSS JOIN agent_releases AS offered USING (org_id, version, os, arch)
                              WHERE promoted.org_id = agent_releases.org_id AND promoted.os = ?1
                                AND promoted.arch = ?2 AND offered.awaiting_approval IS NULL),
                            version)"
    };
}

/// Registers the release, in place of one of the same version and platform. A mandatory one asks for
/// the approval of this id where the organisation demands one.
pub async fn register(
    db: &impl Db,
    org: &OrgId,
    release: &Release,
    approval: &str,
    entry: &Entry,
) -> Result<Registered, Error> {
    let rows = db
        .query(
            "INSERT INTO agent_releases
                    (org_id, version, os, arch, precedence, binary_sha256, binary_size,
                     binary_signature, signed, release_notes, mandatory, created_at, created_by, audit, awaiting_approval)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                     iif(?11 AND EXISTS (SELECT 1 FROM organization_settings
                                          WHERE org_id = ?1 AND name = 'approvals'
                                            AND value ->> '$.mandatory_updates'), ?15, NULL))
                 ON CONFLICT (org_id, version, os, arch) DO UPDATE
                SET replaced_sha256  = binary_sha256,
                    precedence       = excluded.precedence,
                    binary_sha256    = excluded.binary_sha256,
                    binary_size      = excluded.binary_size,
                    binary_signature = excluded.binary_signature,
                    signed           = excluded.signed,
                    release_notes    = excluded.release_notes,
                    mandatory        = excluded.mandatory,
                    created_at       = excluded.created_at,
                    created_by       = excluded.created_by,
                    audit            = excluded.audit,
                    awaiting_approval = excluded.awaiting_approval
          RETURNING nullif(replaced_sha256, binary_sha256), awaiting_approval,
                    EXISTS (SELECT 1 FROM release_promotions AS promoted
                             WHERE promoted.org_id = ?1 AND promoted.os = ?3 AND promoted.arch = ?4
                               AND promoted.version = ?2)",
            &[
                org.into(),
                release.version.as_str().into(),
                release.platform.os.as_str().into(),
                release.platform.arch.as_str().into(),
                precedence::of(&release.version).into(),
                release.sha256.as_str().into(),
                release.size.cast_signed().into(),
                release.signature.as_str().into(),
                release.signed.into(),
                release.notes.as_str().into(),
                release.mandatory.into(),
                release.created_at.into(),
                (&entry.actor).into(),
                entry.into(),
                approval.into(),
            ],
        )
        .await?;
    let mut row = crate::only(rows)?;
    Ok(Registered {
        replaced: row.optional_text(0)?,
        awaiting_approval: row.optional_text(1)?,
        promoted: row.flag(2)?,
    })
}

/// Newest registration first.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    filter: Filter,
    after: Option<&Key>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Release>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM agent_releases
          WHERE org_id = ?1 AND (?2 IS NULL OR os = ?2) AND (?3 IS NULL OR arch = ?3)
            AND created_at <= ?4 AND (created_at < ?4 OR (version, os, arch) > (?5, ?6, ?7))
       ORDER BY created_at DESC, version, os, arch
          LIMIT ?8 OFFSET ?9"
    );
    let params = [
        org.into(),
        filter.os.map(Os::as_str).into(),
        filter.arch.map(Arch::as_str).into(),
        after.map_or(Timestamp(i64::MAX), |it| it.created_at).into(),
        after.map_or("", |it| &it.version).into(),
        after.map_or("", |it| it.platform.os.as_str()).into(),
        after.map_or("", |it| it.platform.arch.as_str()).into(),
        limit.into(),
        offset.into(),
    ];
    db.query(sql, &params).await?.into_iter().map(decode).collect()
}

pub async fn count(db: &impl Db, org: &OrgId, filter: Filter) -> Result<u64, Error> {
    let rows = db
        .query(
            "SELECT count(*)
               FROM agent_releases
              WHERE org_id = ?1 AND (?2 IS NULL OR os = ?2) AND (?3 IS NULL OR arch = ?3)",
            &[org.into(), filter.os.map(Os::as_str).into(), filter.arch.map(Arch::as_str).into()],
        )
        .await?;
    crate::only(rows)?.integer(0)
}

pub async fn find(
    db: &impl Db,
    org: &OrgId,
    version: &str,
    platform: Platform,
) -> Result<Option<Release>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM agent_releases WHERE os = ?1 AND arch = ?2 AND org_id = ?3 AND version = ?4"
    );
    let Platform { os, arch } = platform;
    let params = [os.as_str().into(), arch.as_str().into(), org.into(), version.into()];
    db.query(sql, &params).await?.into_iter().next().map(decode).transpose()
}

/// The one that was promoted; otherwise that of highest precedence, and of those that are the same
/// version the one registered last.
pub async fn find_latest(
    db: &impl Db,
    org: &OrgId,
    platform: Platform,
) -> Result<Option<Release>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM agent_releases
          WHERE os = ?1 AND arch = ?2 AND org_id = ?3 AND awaiting_approval IS NULL AND ",
        preferred!(),
        " ORDER BY precedence DESC, created_at DESC LIMIT 1"
    );
    let params = [platform.os.as_str().into(), platform.arch.as_str().into(), org.into()];
    db.query(sql, &params).await?.into_iter().next().map(decode).transpose()
}

/// The latest for somebody who does not say whose they want: none when several organisations
/// publish for this platform.
pub async fn find_only_latest(db: &impl Db, platform: Platform) -> Result<Option<Release>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM agent_releases
          WHERE os = ?1 AND arch = ?2 AND awaiting_approval IS NULL
            AND org_id = (SELECT min(org_id) FROM agent_releases WHERE os = ?1 AND arch = ?2)
            AND org_id = (SELECT max(org_id) FROM agent_releases WHERE os = ?1 AND arch = ?2)
            AND ",
        preferred!(),
        " ORDER BY precedence DESC, created_at DESC LIMIT 1"
    );
    let params = [platform.os.as_str().into(), platform.arch.as_str().into()];
    db.query(sql, &params).await?.into_iter().next().map(decode).transpose()
}

/// Returns the digest of the bytes that thereby lost a reference; none when there was no release.
/// The entry `version.withdraw` is what deletes the row.
pub async fn delete(
    db: &impl Db,
    org: &OrgId,
    version: &str,
    platform: Platform,
    entry: &Entry,
) -> Result<Option<String>, Error> {
    let rows = db
        .query(
            "UPDATE agent_releases
                SET audit = ?5
              WHERE org_id = ?1 AND version = ?2 AND os = ?3 AND arch = ?4
          RETURNING binary_sha256",
            &[
                org.into(),
                version.into(),
                platform.os.as_str().into(),
                platform.arch.as_str().into(),
                entry.into(),
            ],
        )
        .await?;
    rows.into_iter().next().map(|mut row| row.text(0)).transpose()
}

fn decode(mut row: Row) -> Result<Release, Error> {
    Ok(Release {
        version: row.text(0)?,
        platform: Platform { os: row.parsed(1)?, arch: row.parsed(2)? },
        notes: row.text(3)?,
        mandatory: row.flag(4)?,
        sha256: row.text(5)?,
        size: row.integer(6)?,
        signature: row.text(7)?,
        signed: row.flag(8)?,
        created_at: row.timestamp(9)?,
        awaiting_approval: row.optional_text(10)?,
        promoted: row.flag(11)?,
    })
}

#[cfg(test)]
mod tests;

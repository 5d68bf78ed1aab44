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
mod tests {
    use super::*;
    use crate::{
        blob_references,
        fixtures::{entry, plan},
        native::Memory,
    };

    const LINUX: Platform = Platform { os: Os::Linux, arch: Arch::Amd64 };
    const DARWIN: Platform = Platform { os: Os::Darwin, arch: Arch::Arm64 };

    fn release(version: &str, bytes: char, at: i64) -> Release {
        Release {
            version: version.to_owned(),
            platform: LINUX,
            notes: format!("notes of {version}"),
            mandatory: at % 2 == 1,
            sha256: bytes.to_string().repeat(64),
            size: 20,
            signature: "f".repeat(128),
            signed: false,
            created_at: Timestamp(at),
            awaiting_approval: None,
            promoted: false,
        }
    }

    async fn publish(db: &Memory, org: &str, release: &Release) -> Option<String> {
        let entry = entry("version.publish");
        register(db, &org.into(), release, "w1", &entry).await.unwrap().replaced
    }

    async fn latest(db: &Memory, org: &str, platform: Platform) -> Option<String> {
        find_latest(db, &org.into(), platform).await.unwrap().map(|it| it.version)
    }

    #[tokio::test]
    async fn a_release_comes_back_as_it_was_registered() {
        let db = Memory::migrated();
        let one = release("0.6.2", 'a', 1);
        assert_eq!(publish(&db, "o1", &one).await, None);
        assert_eq!(find_latest(&db, &"o1".into(), LINUX).await.unwrap(), Some(one));
    }

    #[tokio::test]
    async fn the_latest_is_the_highest_version_not_the_last_registered() {
        let db = Memory::migrated();
        for (version, at) in [("0.10.0", 1), ("0.9.0", 2), ("0.10.0-rc.1", 3)] {
            publish(&db, "o1", &release(version, 'a', at)).await;
        }
        assert_eq!(latest(&db, "o1", LINUX).await.as_deref(), Some("0.10.0"));
        publish(&db, "o1", &release("v0.10", 'a', 4)).await;
        assert_eq!(latest(&db, "o1", LINUX).await.as_deref(), Some("v0.10"));
    }

    #[tokio::test]
    async fn platforms_and_organisations_are_kept_apart() {
        let db = Memory::migrated();
        publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
        let elsewhere = Release { platform: DARWIN, ..release("2.0.0", 'b', 2) };
        publish(&db, "o1", &elsewhere).await;
        assert_eq!(latest(&db, "o1", LINUX).await.as_deref(), Some("1.0.0"));
        assert_eq!(latest(&db, "o1", DARWIN).await.as_deref(), Some("2.0.0"));
        assert_eq!(latest(&db, "o2", LINUX).await, None);
        let crossed = Platform { os: Os::Linux, arch: Arch::Arm64 };
        assert_eq!(latest(&db, "o1", crossed).await, None);
    }

    #[tokio::test]
    async fn strangers_are_served_where_there_is_no_choice() {
        let db = Memory::migrated();
        let find = async || find_only_latest(&db, LINUX).await.unwrap().map(|it| it.version);
        assert_eq!(find().await, None);
        publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
        publish(&db, "o1", &release("1.1.0", 'a', 1)).await;
        let elsewhere = Release { platform: DARWIN, ..release("2.0.0", 'b', 2) };
        publish(&db, "o2", &elsewhere).await;
        assert_eq!(find().await.as_deref(), Some("1.1.0"));
        publish(&db, "o2", &release("1.0.0", 'b', 2)).await;
        assert_eq!(find().await, None);
    }

    #[tokio::test]
    async fn registering_again_replaces_and_names_the_bytes_that_went() {
        let db = Memory::migrated();
        publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
        let again = Release { notes: "new".into(), ..release("1.0.0", 'b', 2) };
        assert_eq!(publish(&db, "o1", &again).await, Some("a".repeat(64)));
        assert_eq!(publish(&db, "o1", &release("1.0.0", 'b', 3)).await, None);
        let listed = list(&db, &"o1".into(), Filter::default(), None, (9, 0)).await.unwrap();
        assert_eq!(listed, [release("1.0.0", 'b', 3)]);
    }

    #[tokio::test]
    async fn the_list_begins_with_the_newest_registration() {
        let db = Memory::migrated();
        for (version, at) in [("3.0.0", 1), ("1.0.0", 2), ("2.0.0", 2)] {
            publish(&db, "o1", &release(version, 'a', at)).await;
        }
        publish(&db, "o2", &release("9.0.0", 'a', 9)).await;
        let org = "o1".into();
        let page = async |after: Option<&Key>, limit, offset| {
            let filter = Filter::default();
            let listed = list(&db, &org, filter, after, (limit, offset)).await.unwrap();
            listed.into_iter().map(|it| it.version).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 9, 0).await, ["1.0.0", "2.0.0", "3.0.0"]);
        assert_eq!(page(None, 1, 1).await, ["2.0.0"]);
        let key = |version: &str, at| Key {
            created_at: Timestamp(at),
            version: version.to_owned(),
            platform: LINUX,
        };
        assert_eq!(page(Some(&key("1.0.0", 2)), 9, 0).await, ["2.0.0", "3.0.0"]);
        assert_eq!(page(Some(&key("2.0.0", 2)), 9, 0).await, ["3.0.0"]);
        assert!(page(Some(&key("3.0.0", 1)), 9, 0).await.is_empty());
    }

    #[tokio::test]
    async fn a_list_may_be_of_one_platform() {
        let db = Memory::migrated();
        publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
        publish(&db, "o1", &Release { platform: DARWIN, ..release("2.0.0", 'b', 2) }).await;
        let org = "o1".into();
        for (filter, versions) in [
            (Filter { os: Some(Os::Linux), arch: None }, vec!["1.0.0"]),
            (Filter { os: None, arch: Some(Arch::Arm64) }, vec!["2.0.0"]),
            (Filter { os: Some(Os::Linux), arch: Some(Arch::Arm64) }, vec![]),
            (Filter::default(), vec!["2.0.0", "1.0.0"]),
        ] {
            let listed = list(&db, &org, filter, None, (9, 0)).await.unwrap();
            let listed: Vec<_> = listed.into_iter().map(|it| it.version).collect();
            assert_eq!(listed, versions, "{filter:?}");
            assert_eq!(count(&db, &org, filter).await.unwrap(), listed.len() as u64);
        }
    }

    #[tokio::test]
    async fn deleting_takes_the_given_platform_only_and_names_its_bytes() {
        let db = Memory::migrated();
        publish(&db, "o1", &release("1.0.0", 'a', 1)).await;
        publish(&db, "o1", &Release { platform: DARWIN, ..release("1.0.0", 'b', 2) }).await;
        let withdraw = entry("version.withdraw");
        let drop =
            async |org: &str| delete(&db, &org.into(), "1.0.0", LINUX, &withdraw).await.unwrap();
        assert_eq!(drop("o2").await, None);
        assert_eq!(drop("o1").await, Some("a".repeat(64)));
        assert_eq!(drop("o1").await, None);
        assert!(!blob_references::exist(&db, &"a".repeat(64)).await.unwrap());
        assert!(blob_references::exist(&db, &"b".repeat(64)).await.unwrap());
    }

    #[tokio::test]
    async fn no_query_scans_or_sorts() {
        let org = "o1".into();
        let latest = plan(async |db| drop(find_latest(db, &org, LINUX).await)).await;
        latest.uses("agent_releases_latest").never_scans();
        plan(async |db| drop(find_only_latest(db, LINUX).await)).await.never_scans();
        plan(async |db| drop(list(db, &org, Filter::default(), None, (50, 0)).await))
            .await
            .never_scans();
        plan(async |db| drop(blob_references::exist(db, "a").await)).await.never_scans();
    }
}

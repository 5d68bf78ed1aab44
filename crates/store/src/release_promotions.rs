//! `release_promotions`: the release that an organisation's agents of a platform are offered, whatever
//! is newer.

use domain::{approvals::LIFETIME, ids::OrgId, platform::Platform, time::Timestamp};

use crate::{Db, Error, Value, audit::Entry};

/// Which release is meant.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub org: &'a OrgId,
    pub version: &'a str,
    pub platform: Platform,
}

impl Target<'_> {
    /// `?1` to `?4` of every statement.
    fn params(&self) -> Vec<Value> {
        let Platform { os, arch } = self.platform;
        vec![self.org.into(), self.version.into(), os.as_str().into(), arch.as_str().into()]
    }
}

/// In place of what was promoted before. `false` when there is no such release, it is not approved, or
/// it is mandatory and the organisation wants two people for that.
pub async fn record(db: &impl Db, target: Target<'_>, entry: &Entry) -> Result<bool, Error> {
    let mut params = target.params();
    params.extend([entry.at.into(), (&entry.actor).into(), entry.into()]);
    let rows = db
        .query(
            "INSERT INTO release_promotions (org_id, os, arch, version, promoted_at, promoted_by, audit)
             SELECT org_id, os, arch, version, ?5, ?6, ?7
               FROM agent_releases
              WHERE org_id = ?1 AND version = ?2 AND os = ?3 AND arch = ?4 AND awaiting_approval IS NULL
                AND NOT (mandatory AND EXISTS (SELECT 1 FROM organization_settings
                                                WHERE org_id = ?1 AND name = 'approvals'
                                                  AND value ->> '$.mandatory_updates'))
                 ON CONFLICT (org_id, os, arch) DO UPDATE
                SET version = excluded.version, promoted_at = excluded.promoted_at,
                    promoted_by = excluded.promoted_by, audit = excluded.audit
          RETURNING 1",
            &params,
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Asks another person to let the mandatory release be promoted. Returns when the request ends; `None`
/// when there is no such release, or none that could be promoted.
pub async fn ask(
    db: &impl Db,
    target: Target<'_>,
    id: &str,
    entry: &Entry,
) -> Result<Option<Timestamp>, Error> {
    let expires_at = entry.at + LIFETIME;
    let mut params = target.params();
    params.extend([
        id.into(),
        (&entry.actor).into(),
        entry.at.into(),
        expires_at.into(),
        entry.into(),
    ]);
    let rows = db
        .query(
            "INSERT INTO approvals (id, org_id, kind, summary, work, requested_by, requested_at, expires_at,
                                    updated_at, audit)
             SELECT ?5, org_id, 'mandatory_update',
                    json_object('version', version, 'os', os, 'arch', arch, 'sha256', binary_sha256,
                                'size', binary_size, 'release_notes', release_notes,
                                'promotes', json('true')),
                    json_object('version', version, 'os', os, 'arch', arch, 'sha256', binary_sha256,
                                'promotes', json('true')),
                    ?6, ?7, ?8, ?7, ?9
               FROM agent_releases
              WHERE org_id = ?1 AND version = ?2 AND os = ?3 AND arch = ?4
                AND mandatory AND awaiting_approval IS NULL
          RETURNING 1",
            &params,
        )
        .await?;
    Ok((!rows.is_empty()).then_some(expires_at))
}

/// `false` when it is not this release that is promoted.
pub async fn end(db: &impl Db, target: Target<'_>, entry: &Entry) -> Result<bool, Error> {
    let mut params = target.params();
    params.extend([entry.at.into(), entry.into()]);
    let rows = db
        .query(
            "UPDATE release_promotions
                SET ended_at = ?5, audit = ?6
              WHERE org_id = ?1 AND version = ?2 AND os = ?3 AND arch = ?4
          RETURNING 1",
            &params,
        )
        .await?;
    Ok(!rows.is_empty())
}

#[cfg(test)]
mod tests {
    use domain::{
        approvals::{ApprovalStatus, Demands},
        platform::{Arch, Os},
        releases::Release,
    };

    use super::*;
    use crate::{
        approvals::{self, demands},
        fixtures::{NOW, entry, integer, plan, run, text},
        native::Memory,
        releases::{self, Filter},
    };

    const LINUX: Platform = Platform { os: Os::Linux, arch: Arch::Amd64 };

    async fn publish(db: &Memory, version: &str, mandatory: bool, bytes: char) {
        let release = Release {
            version: version.to_owned(),
            platform: LINUX,
            notes: String::new(),
            mandatory,
            sha256: bytes.to_string().repeat(64),
            size: 1,
            signature: "f".repeat(128),
            signed: false,
            created_at: NOW,
            awaiting_approval: None,
            promoted: false,
        };
        let by = entry("version.publish");
        releases::register(db, &"org".into(), &release, version, &by).await.unwrap();
    }

    /// 1.0.0 and 2.0.0, and 1.5.0 that is mandatory.
    async fn published() -> Memory {
        let db = Memory::migrated();
        for (version, mandatory) in [("2.0.0", false), ("1.0.0", false), ("1.5.0", true)] {
            publish(&db, version, mandatory, 'a').await;
        }
        db
    }

    async fn promote(db: &Memory, org: &str, version: &str) -> bool {
        let org = org.into();
        let target = Target { org: &org, version, platform: LINUX };
        record(db, target, &entry("release.promote")).await.unwrap()
    }

    async fn withdraw(db: &Memory, version: &str) {
        let by = entry("version.withdraw");
        releases::delete(db, &"org".into(), version, LINUX, &by).await.unwrap().unwrap();
    }

    async fn offered(db: &Memory) -> Option<String> {
        let latest = releases::find_latest(db, &"org".into(), LINUX).await.unwrap();
        let only = releases::find_only_latest(db, LINUX).await.unwrap();
        assert_eq!(latest, only);
        latest.map(|it| it.version)
    }

    async fn demand(db: &Memory) {
        let wanted = Demands { mandatory_updates: true, ..Demands::default() };
        let by = entry("settings.update");
        assert!(demands::record(db, &"org".into(), wanted, &by).await.unwrap());
    }

    async fn status(db: &Memory, id: &str) -> ApprovalStatus {
        approvals::find(db, &"org".into(), id).await.unwrap().unwrap().status
    }

    #[tokio::test]
    async fn what_is_promoted_is_offered_until_the_promotion_ends() {
        let db = published().await;
        assert_eq!(offered(&db).await.as_deref(), Some("2.0.0"));
        assert!(promote(&db, "org", "1.0.0").await);
        assert_eq!(offered(&db).await.as_deref(), Some("1.0.0"));
        publish(&db, "3.0.0", false, 'a').await;
        assert_eq!(offered(&db).await.as_deref(), Some("1.0.0"));
        // Another promotion takes its place.
        assert!(promote(&db, "org", "1.5.0").await);
        assert_eq!(offered(&db).await.as_deref(), Some("1.5.0"));
        let org = "org".into();
        let listed = releases::list(&db, &org, Filter::default(), None, (9, 0)).await.unwrap();
        let promoted: Vec<_> =
            listed.iter().filter(|it| it.promoted).map(|it| &it.version).collect();
        assert_eq!(promoted, ["1.5.0"]);

        let end = async |version| {
            let target = Target { org: &org, version, platform: LINUX };
            end(&db, target, &entry("release.unpromote")).await.unwrap()
        };
        assert!(!end("1.0.0").await);
        assert!(end("1.5.0").await);
        assert!(!end("1.5.0").await);
        assert_eq!(offered(&db).await.as_deref(), Some("3.0.0"));
        assert_eq!(integer(&db, "SELECT count(*) FROM release_promotions").await, Some(0));
        let actions = "SELECT group_concat(action) FROM audit_log WHERE action LIKE 'release%'";
        let expected = "release.promote,release.promote,release.unpromote";
        assert_eq!(text(&db, actions).await.as_deref(), Some(expected));
    }

    #[tokio::test]
    async fn only_a_release_of_the_organisation_is_promoted() {
        let db = published().await;
        assert!(!promote(&db, "other", "1.0.0").await);
        assert!(!promote(&db, "org", "9.0.0").await);
        assert_eq!(offered(&db).await.as_deref(), Some("2.0.0"));
    }

    #[tokio::test]
    async fn a_release_that_is_gone_is_promoted_no_more() {
        let db = published().await;
        assert!(promote(&db, "org", "1.0.0").await);
        withdraw(&db, "1.0.0").await;
        assert_eq!(offered(&db).await.as_deref(), Some("2.0.0"));
        assert_eq!(integer(&db, "SELECT count(*) FROM release_promotions").await, Some(0));
    }

    #[tokio::test]
    async fn what_waits_for_its_approval_is_not_promoted_and_not_offered() {
        let db = published().await;
        assert!(promote(&db, "org", "1.0.0").await);
        demand(&db).await;
        publish(&db, "2.5.0", true, 'a').await;
        assert!(!promote(&db, "org", "2.5.0").await);
        // A promoted release that comes again as a mandatory one loses nothing, and waits.
        publish(&db, "1.0.0", true, 'b').await;
        assert_eq!(offered(&db).await.as_deref(), Some("2.0.0"));
        let by = crate::audit::Entry { actor: "bob".into(), ..entry("approval.approve") };
        assert!(
            approvals::record_approval(&db, &"org".into(), "1.0.0", &by).await.unwrap().is_some()
        );
        assert_eq!(offered(&db).await.as_deref(), Some("1.0.0"));
    }

    #[tokio::test]
    async fn a_mandatory_release_is_promoted_by_two_where_two_are_wanted() {
        let db = published().await;
        demand(&db).await;
        assert!(!promote(&db, "org", "1.5.0").await);
        let org = "org".into();
        let ask = async |version, id| {
            let target = Target { org: &org, version, platform: LINUX };
            ask(&db, target, id, &entry("approval.request")).await.unwrap()
        };
        assert_eq!(ask("1.0.0", "w1").await, None, "it needs nobody else");
        assert_eq!(ask("1.5.0", "w1").await, Some(NOW + LIFETIME));
        assert_eq!(offered(&db).await.as_deref(), Some("2.0.0"));
        let by = crate::audit::Entry { actor: "bob".into(), ..entry("approval.approve") };
        let approve =
            async |id| approvals::record_approval(&db, &org, id, &by).await.unwrap().is_some();
        assert!(approve("w1").await);
        assert_eq!(offered(&db).await.as_deref(), Some("1.5.0"));

        // Other bytes were not asked for.
        run(&db, "DELETE FROM release_promotions", &[]).await;
        assert!(ask("1.5.0", "w2").await.is_some());
        publish(&db, "1.5.0", true, 'b').await;
        assert_eq!(status(&db, "w2").await, ApprovalStatus::Expired);
        assert!(!approve("w2").await);
    }

    #[tokio::test]
    async fn nobody_is_asked_about_a_release_that_is_gone() {
        let db = published().await;
        demand(&db).await;
        publish(&db, "2.5.0", true, 'a').await;
        publish(&db, "2.6.0", true, 'a').await;
        withdraw(&db, "2.5.0").await;
        assert_eq!(status(&db, "2.5.0").await, ApprovalStatus::Expired);
        assert_eq!(status(&db, "2.6.0").await, ApprovalStatus::Pending);
        let decided = "SELECT decided_at FROM approvals WHERE id = '2.5.0'";
        assert_eq!(integer(&db, decided).await, Some(NOW.0));
    }

    #[tokio::test]
    async fn no_statement_scans_or_sorts() {
        let org = "org".into();
        plan(async |db| {
            let target = Target { org: &org, version: "1", platform: LINUX };
            drop(record(db, target, &entry("release.promote")).await);
            drop(ask(db, target, "w1", &entry("approval.request")).await);
            drop(end(db, target, &entry("release.unpromote")).await);
            drop(releases::find(db, &org, "1", LINUX).await);
            drop(releases::count(db, &org, Filter::default()).await);
        })
        .await
        .never_scans();
    }
}

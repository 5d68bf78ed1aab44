//! `api_keys`: one row per key, found by its digest. A key counts its own requests.

use domain::{
    api_keys::{Grant, USE_RESOLUTION_MS},
    ids::{ApiKeyId, OrgId, UserId},
    rate_limit::{Counted, Limit},
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub prefix: String,
    pub grant: Grant,
    pub created_at: Timestamp,
    pub created_by: UserId,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// Whom a key acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    pub id: ApiKeyId,
    pub org: OrgId,
    pub grant: Grant,
}

pub async fn insert(
    db: &impl Db,
    org: &OrgId,
    key: &ApiKey,
    digest: &Digest,
    audit: &Entry,
) -> Result<(), Error> {
    db.query(
        "INSERT INTO api_keys (id, org_id, name, digest, prefix, scope, created_at, created_by, expires_at, updated_at, audit)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?7, ?10)",
        &[
            (&key.id).into(),
            org.into(),
            (&key.name).into(),
            digest.into(),
            (&key.prefix).into(),
            key.grant.word().into(),
            key.created_at.into(),
            (&key.created_by).into(),
            key.expires_at.into(),
            audit.into(),
        ],
    )
    .await
    .map(drop)
}

/// Newest first; the revoked ones, too.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    (limit, offset): (u32, u32),
) -> Result<Vec<ApiKey>, Error> {
    let rows = db
        .query(
            "SELECT id, name, prefix, scope, created_at, created_by, expires_at, last_used_at, revoked_at
               FROM api_keys
              WHERE org_id = ?1
           ORDER BY created_at DESC, id DESC
              LIMIT ?2 OFFSET ?3",
            &[org.into(), limit.into(), offset.into()],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

/// `false` when this organisation has no such key, or it was revoked before.
pub async fn revoke(
    db: &impl Db,
    org: &OrgId,
    id: &ApiKeyId,
    now: Timestamp,
    audit: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE api_keys SET revoked_at = ?3, updated_at = ?3, audit = ?4
              WHERE id = ?1 AND org_id = ?2 AND revoked_at IS NULL
          RETURNING 1",
            &[id.into(), org.into(), now.into(), audit.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Admits a request that presents this key, counts it and notes the use, in one statement. None
/// when there is no such key, or it was revoked or has expired.
pub async fn admit(
    db: &impl Db,
    digest: &Digest,
    limit: Limit,
    now: Timestamp,
) -> Result<Option<(Bearer, Counted)>, Error> {
    let rows = db
        .query(
            "UPDATE api_keys
                SET budget_used       = iif(budget_started_at > ?2 - ?3, min(budget_used, ?4) + 1, 1),
                    budget_started_at = iif(budget_started_at > ?2 - ?3, budget_started_at, ?2),
                    last_used_at      = iif(last_used_at > ?2 - ?5, last_used_at, ?2)
              WHERE digest = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
          RETURNING budget_used, budget_started_at, id, org_id, scope",
            &[
                digest.into(),
                now.into(),
                limit.window().into(),
                limit.requests.into(),
                USE_RESOLUTION_MS.into(),
            ],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let counted = limit.judge(row.integer(0)?, row.timestamp(1)?, now);
    let bearer =
        Bearer { id: ApiKeyId(row.text(2)?), org: OrgId(row.text(3)?), grant: row.parsed(4)? };
    Ok(Some((bearer, counted)))
}

fn decode(mut row: Row) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        id: ApiKeyId(row.text(0)?),
        name: row.text(1)?,
        prefix: row.text(2)?,
        grant: row.parsed(3)?,
        created_at: row.timestamp(4)?,
        created_by: UserId(row.text(5)?),
        expires_at: row.optional_timestamp(6)?,
        last_used_at: row.optional_timestamp(7)?,
        revoked_at: row.optional_timestamp(8)?,
    })
}

#[cfg(test)]
mod tests {
    use domain::{rate_limit::PERSON, time::Span};

    use super::*;
    use crate::{
        fixtures::{NOW, entry, integer},
        native::Memory,
    };

    async fn key(db: &Memory, expires_at: Option<Timestamp>) {
        let key = ApiKey {
            id: "k1".into(),
            name: "ci".to_owned(),
            prefix: "pa_123456789".to_owned(),
            grant: Grant::Read,
            created_at: NOW,
            created_by: "user".into(),
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let digest = Digest::of("key");
        insert(db, &"org".into(), &key, &digest, &entry("api_key.create")).await.unwrap();
    }

    async fn bearer(db: &Memory, now: Timestamp) -> Option<Bearer> {
        admit(db, &Digest::of("key"), PERSON, now).await.unwrap().map(|(bearer, _)| bearer)
    }

    #[tokio::test]
    async fn a_key_is_admitted_until_it_expires_or_is_revoked() {
        let db = Memory::migrated();
        key(&db, Some(NOW + Span::hours(1))).await;
        assert_eq!(bearer(&db, NOW).await.unwrap().org, "org".into());
        assert_eq!(bearer(&db, NOW + Span::hours(1)).await, None);
        let revoking = async |org: &str| {
            revoke(&db, &org.into(), &"k1".into(), NOW, &entry("api_key.revoke")).await.unwrap()
        };
        assert!(!revoking("other").await);
        assert!(revoking("org").await);
        assert!(!revoking("org").await);
        assert_eq!(bearer(&db, NOW).await, None);
        assert_eq!(list(&db, &"org".into(), (10, 0)).await.unwrap()[0].revoked_at, Some(NOW));
        assert_eq!(list(&db, &"other".into(), (10, 0)).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_use_is_noted_once_a_minute() {
        let db = Memory::migrated();
        key(&db, None).await;
        let used = async |after: i64| {
            bearer(&db, NOW + Span::seconds(after)).await.unwrap();
            integer(&db, "SELECT last_used_at FROM api_keys").await.unwrap() - NOW.0
        };
        assert_eq!(used(0).await, 0);
        assert_eq!(used(59).await, 0);
        assert_eq!(used(60).await, 60_000);
    }

    #[tokio::test]
    async fn a_key_has_a_budget_of_its_own() {
        let db = Memory::migrated();
        key(&db, None).await;
        let limit = Limit { requests: 2, window_seconds: 10 };
        let allowed = async |now: Timestamp| {
            admit(&db, &Digest::of("key"), limit, now).await.unwrap().unwrap().1.allowed
        };
        assert!(allowed(NOW).await && allowed(NOW).await);
        assert!(!allowed(NOW).await && !allowed(NOW + Span::seconds(9)).await);
        assert!(allowed(NOW + Span::seconds(10)).await);
    }
}

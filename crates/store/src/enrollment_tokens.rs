//! `enrollment_tokens`: one row per token, found by the digest of its secret. Uses are spent by
//! [`crate::agents::enrollment`].

use domain::{
    enrollment::Allowance,
    ids::{OrgId, TokenId, UserId},
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry, only};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub org: OrgId,
    pub allowance: Allowance,
    /// A JSON object of texts.
    pub metadata: String,
    pub created_at: Timestamp,
    pub created_by: UserId,
}

pub async fn insert(
    db: &impl Db,
    token: &Token,
    digest: &Digest,
    entry: &Entry,
) -> Result<(), Error> {
    db.query(
        "INSERT INTO enrollment_tokens (id, org_id, digest, metadata, max_uses, use_count, expires_at, created_at, created_by, audit)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        &[
            (&token.id).into(),
            (&token.org).into(),
            digest.into(),
            (&token.metadata).into(),
            token.allowance.max_uses.into(),
            token.allowance.use_count.into(),
            token.allowance.expires_at.into(),
            token.created_at.into(),
            (&token.created_by).into(),
            entry.into(),
        ],
    )
    .await
    .map(drop)
}

/// What the token of this secret still allows.
pub async fn find(db: &impl Db, digest: &Digest) -> Result<Option<Allowance>, Error> {
    let rows = db
        .query(
            "SELECT expires_at, max_uses, use_count FROM enrollment_tokens WHERE digest = ?1",
            &[digest.into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| decode_allowance(&mut row, 0)).transpose()
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    pub limit: u32,
    pub offset: u32,
    /// When the last token of the page before was made, and its id.
    pub after: Option<(Timestamp, &'a str)>,
}

/// Tokens that can still enroll somebody, newest first.
pub async fn list_active(
    db: &impl Db,
    org: &OrgId,
    page: Page<'_>,
    now: Timestamp,
) -> Result<Vec<Token>, Error> {
    let (at, id) = page.after.unwrap_or((Timestamp(i64::MAX), ""));
    let rows = db
        .query(
            "SELECT id, org_id, metadata, created_at, created_by, expires_at, max_uses, use_count
               FROM enrollment_tokens
              WHERE org_id = ?1 AND expires_at > ?2 AND use_count < max_uses
                AND (created_at, id) < (?5, ?6)
           ORDER BY created_at DESC, id DESC
              LIMIT ?3 OFFSET ?4",
            &[org.into(), now.into(), page.limit.into(), page.offset.into(), at.into(), id.into()],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

/// How many can still enroll somebody. Those of an organisation are few: they expire within 30 days
/// and go 30 days later.
pub async fn count_active(db: &impl Db, org: &OrgId, now: Timestamp) -> Result<u64, Error> {
    let rows = db
        .query(
            "SELECT count(*) FROM enrollment_tokens
              WHERE org_id = ?1 AND expires_at > ?2 AND use_count < max_uses",
            &[org.into(), now.into()],
        )
        .await?;
    only(rows)?.integer(0)
}

/// `false` when this organisation has no such token. The entry `token.revoke` is what deletes the row.
pub async fn delete(db: &impl Db, org: &OrgId, id: &TokenId, entry: &Entry) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE enrollment_tokens SET audit = ?3 WHERE id = ?1 AND org_id = ?2 RETURNING 1",
            &[id.into(), org.into(), entry.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

fn decode(mut row: Row) -> Result<Token, Error> {
    Ok(Token {
        id: TokenId(row.text(0)?),
        org: OrgId(row.text(1)?),
        metadata: row.text(2)?,
        created_at: row.timestamp(3)?,
        created_by: UserId(row.text(4)?),
        allowance: decode_allowance(&mut row, 5)?,
    })
}

fn decode_allowance(row: &mut Row, column: usize) -> Result<Allowance, Error> {
    Ok(Allowance {
        expires_at: row.timestamp(column)?,
        max_uses: row.integer(column + 1)?,
        use_count: row.integer(column + 2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{NOW, entry, integer, plan, run, token},
        native::Memory,
    };

    async fn listed(db: &Memory, org: &str, now: Timestamp) -> usize {
        let listed = list_active(db, &org.into(), ALL, now).await.unwrap().len();
        assert_eq!(count_active(db, &org.into(), now).await.unwrap(), listed as u64);
        listed
    }

    const ALL: Page<'_> = Page { limit: 50, offset: 0, after: None };

    #[tokio::test]
    async fn a_page_goes_on_after_the_one_before() {
        let db = Memory::migrated();
        token(&db, 1).await;
        for id in ["k2", "k3"] {
            let copy = "INSERT INTO enrollment_tokens (id, org_id, digest, max_uses, expires_at, created_at, created_by)
                        SELECT ?1, org_id, randomblob(32), 1, expires_at, created_at, 'user'
                          FROM enrollment_tokens LIMIT 1";
            run(&db, copy, &[id.into()]).await;
        }
        let list = async |page| list_active(&db, &"org".into(), page, NOW).await.unwrap();
        let whole = list(ALL).await;
        let after = Some((whole[0].created_at, whole[0].id.as_str()));
        assert_eq!(list(Page { after, ..ALL }).await, whole[1..]);
        assert_eq!(list(Page { offset: 1, ..ALL }).await, whole[1..]);
    }

    #[tokio::test]
    async fn a_token_is_found_by_its_secret_and_listed_for_its_organisation() {
        let db = Memory::migrated();
        token(&db, 3).await;
        let found = find(&db, &Digest::of("secret")).await.unwrap().unwrap();
        assert_eq!((found.max_uses, found.use_count), (3, 0));
        assert_eq!(find(&db, &Digest::of("other")).await.unwrap(), None);
        assert_eq!((listed(&db, "org", NOW).await, listed(&db, "other", NOW).await), (1, 0));
    }

    #[tokio::test]
    async fn the_expired_and_the_exhausted_are_not_listed() {
        let db = Memory::migrated();
        token(&db, 1).await;
        assert_eq!(listed(&db, "org", Timestamp(NOW.0 + 3_599_999)).await, 1);
        assert_eq!(listed(&db, "org", Timestamp(NOW.0 + 3_600_000)).await, 0);
        run(&db, "UPDATE enrollment_tokens SET use_count = 1", &[]).await;
        assert_eq!(listed(&db, "org", NOW).await, 0);
    }

    #[tokio::test]
    async fn a_token_is_revoked_once_and_by_its_organisation() {
        let db = Memory::migrated();
        token(&db, 1).await;
        let id = TokenId::from("k1");
        let revoke =
            async |org: &str| delete(&db, &org.into(), &id, &entry("token.revoke")).await.unwrap();
        assert!(!revoke("other").await);
        assert!(revoke("org").await);
        assert!(!revoke("org").await);
        assert_eq!(integer(&db, "SELECT count(*) FROM enrollment_tokens").await, Some(0));
    }

    #[tokio::test]
    async fn tokens_are_found_by_an_index() {
        plan(async |db| {
            drop(find(db, &Digest::of("secret")).await);
            drop(delete(db, &"org".into(), &"k1".into(), &entry("token.revoke")).await);
            drop(list_active(db, &"org".into(), ALL, NOW).await);
            drop(count_active(db, &"org".into(), NOW).await);
        })
        .await
        .uses("enrollment_tokens_by_org")
        .never_scans();
    }
}

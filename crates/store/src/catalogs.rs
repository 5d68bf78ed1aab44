//! `catalogs` and `catalog_entries`: what an organisation's test library says of its tests.

use domain::ids::OrgId;

use crate::{Db, Error, audit::Entry, only};

/// Puts `entries` (a JSON array of `{test_uuid, name, metadata}`, one per test) in place of the whole
/// catalog, and returns how many there are. The triggers `catalogs_imported` and `catalogs_reimported`
/// write them, inside the statement.
pub async fn replace(
    db: &impl Db,
    org: &OrgId,
    entries: &str,
    entry: &Entry,
) -> Result<u32, Error> {
    let rows = db
        .query(
            "INSERT INTO catalogs (org_id, size, imported_at, imported_by, entries, audit)
             VALUES (?1, json_array_length(?2), ?3, ?4, ?2, ?5)
                 ON CONFLICT (org_id) DO UPDATE
                SET size = excluded.size, imported_at = excluded.imported_at,
                    imported_by = excluded.imported_by, entries = excluded.entries, audit = excluded.audit
          RETURNING size",
            &[
                org.into(),
                entries.into(),
                entry.at.into(),
                (&entry.actor).into(),
                entry.into(),
            ],
        )
        .await?;
    only(rows)?.integer(0)
}

/// JSON as in fleet.md §4.5; `None` when the catalog does not know the test.
pub async fn find_metadata(
    db: &impl Db,
    org: &OrgId,
    test_uuid: &str,
) -> Result<Option<String>, Error> {
    let sql = "SELECT metadata FROM catalog_entries WHERE org_id = ?1 AND test_uuid = ?2";
    let rows = db.query(sql, &[org.into(), test_uuid.into()]).await?;
    rows.into_iter().next().map(|mut row| row.text(0)).transpose()
}

/// What the catalog calls the test, if anything.
pub async fn find_name(
    db: &impl Db,
    org: &OrgId,
    test_uuid: &str,
) -> Result<Option<String>, Error> {
    let sql =
        "SELECT name FROM catalog_entries WHERE org_id = ?1 AND test_uuid = ?2 AND name <> ''";
    let rows = db.query(sql, &[org.into(), test_uuid.into()]).await?;
    rows.into_iter().next().map(|mut row| row.text(0)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{entry, integer, plan, text},
        native::Memory,
    };

    async fn reload(db: &Memory, org: &str, entries: &str) -> Result<u32, Error> {
        replace(db, &org.into(), entries, &entry("catalog.reload")).await
    }

    async fn metadata(db: &Memory, org: &str, id: &str) -> Option<String> {
        find_metadata(db, &org.into(), id).await.unwrap()
    }

    #[tokio::test]
    async fn a_catalog_is_replaced_as_a_whole() {
        let db = Memory::migrated();
        let two = r#"[{"test_uuid":"AB","name":"a","metadata":{"category":"x","score":7.50}},
                      {"test_uuid":"cd","name":"","metadata":{"category":"y"}}]"#;
        assert_eq!(reload(&db, "o1", two).await.unwrap(), 2);
        assert_eq!(
            metadata(&db, "o1", "ab").await.as_deref(),
            Some(r#"{"category":"x","score":7.50}"#)
        );
        let name = async |id| find_name(&db, &"o1".into(), id).await.unwrap();
        assert_eq!((name("ab").await.as_deref(), name("cd").await), (Some("a"), None));
        let one = r#"[{"test_uuid":"cd","name":"c","metadata":{}}]"#;
        assert_eq!(reload(&db, "o1", one).await.unwrap(), 1);
        assert_eq!(metadata(&db, "o1", "ab").await, None);
        assert_eq!(name("cd").await.as_deref(), Some("c"));
        assert_eq!(reload(&db, "o1", "[]").await.unwrap(), 0);
        assert_eq!(integer(&db, "SELECT count(*) FROM catalog_entries").await, Some(0));
        let log = "SELECT group_concat(ifnull(before, '-') || after) FROM audit_log";
        let expected = r#"-{"size":2},{"size":2}{"size":1},{"size":1}{"size":0}"#;
        assert_eq!(text(&db, log).await.as_deref(), Some(expected));
    }

    #[tokio::test]
    async fn each_organisation_has_its_own() {
        let db = Memory::migrated();
        reload(&db, "o1", r#"[{"test_uuid":"ab","name":"a","metadata":{}}]"#).await.unwrap();
        assert_eq!(reload(&db, "o2", "[]").await.unwrap(), 0);
        assert_eq!(metadata(&db, "o1", "ab").await.as_deref(), Some("{}"));
        assert_eq!(metadata(&db, "o2", "ab").await, None);
    }

    #[tokio::test]
    async fn a_catalog_that_cannot_be_stored_leaves_the_old_one() {
        let db = Memory::migrated();
        reload(&db, "o1", r#"[{"test_uuid":"ab","name":"a","metadata":{}}]"#).await.unwrap();
        let twice = r#"[{"test_uuid":"cd","name":"","metadata":{}},{"test_uuid":"CD","name":"","metadata":{}}]"#;
        assert!(reload(&db, "o1", twice).await.is_err());
        assert_eq!(metadata(&db, "o1", "ab").await.as_deref(), Some("{}"));
        assert_eq!(integer(&db, "SELECT size FROM catalogs").await, Some(1));
    }

    #[tokio::test]
    async fn a_test_is_found_by_key() {
        plan(async |db| {
            drop(find_metadata(db, &"o1".into(), "ab").await);
            drop(find_name(db, &"o1".into(), "ab").await);
        })
        .await
        .never_scans();
    }
}

//! `organization_settings`: what an organisation decided about itself, one JSON value per section.
//!
//! What a section holds is for its module to say. The last writer wins: the wire knows no version.

use domain::{
    ids::{OrgId, UserId},
    time::Timestamp,
};

use crate::{Db, Error, Row, Value, audit::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// JSON.
    pub value: String,
    /// Starts at 1 and grows by 1 with each change.
    pub version: u32,
    pub updated_at: Timestamp,
    pub updated_by: UserId,
}

/// A new value of the section `name`.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub org: &'a OrgId,
    pub name: &'a str,
    /// JSON.
    pub value: &'a str,
    pub entry: &'a Entry,
}

pub async fn find(db: &impl Db, org: &OrgId, name: &str) -> Result<Option<Setting>, Error> {
    let rows = db
        .query(
            "SELECT value, version, updated_at, updated_by
               FROM organization_settings
              WHERE org_id = ?1 AND name = ?2",
            &[org.into(), name.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Sets the section, whatever it was.
pub async fn record(db: &impl Db, change: Change<'_>) -> Result<(), Error> {
    db.query(
        "INSERT INTO organization_settings (org_id, name, value, updated_at, updated_by, audit)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (org_id, name) DO UPDATE
            SET value = excluded.value, version = version + 1, updated_at = excluded.updated_at,
                updated_by = excluded.updated_by, audit = excluded.audit",
        &params(change),
    )
    .await
    .map(drop)
}

fn params(change: Change<'_>) -> Vec<Value> {
    vec![
        change.org.into(),
        change.name.into(),
        change.value.into(),
        change.entry.at.into(),
        change.entry.actor.as_str().into(),
        change.entry.into(),
    ]
}

fn decode(mut row: Row) -> Result<Setting, Error> {
    Ok(Setting {
        value: row.text(0)?,
        version: row.integer(1)?,
        updated_at: row.timestamp(2)?,
        updated_by: UserId(row.text(3)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{entry, integer, plan},
        native::Memory,
    };

    async fn change(db: &Memory, org: &str, value: &str) {
        let (org, entry) = (org.into(), entry("settings.update"));
        let change = Change { org: &org, name: "colour", value, entry: &entry };
        record(db, change).await.unwrap();
    }

    async fn seen(db: &Memory, org: &str) -> Option<(String, u32)> {
        find(db, &org.into(), "colour").await.unwrap().map(|it| (it.value, it.version))
    }

    #[tokio::test]
    async fn a_section_is_each_organisations_own() {
        let db = Memory::migrated();
        assert_eq!(seen(&db, "o1").await, None);
        change(&db, "o1", "1").await;
        change(&db, "o1", "2").await;
        change(&db, "o2", "3").await;
        assert_eq!(seen(&db, "o1").await, Some(("2".into(), 2)));
        assert_eq!(seen(&db, "o1").await, Some(("2".into(), 2)));
        assert_eq!(find(&db, &"o1".into(), "size").await.unwrap(), None);
        assert_eq!(integer(&db, "SELECT count(*) FROM audit_log").await, Some(3));
    }

    #[tokio::test]
    async fn settings_are_found_by_key() {
        plan(async |db| drop(find(db, &"o1".into(), "colour").await)).await.never_scans();
    }
}

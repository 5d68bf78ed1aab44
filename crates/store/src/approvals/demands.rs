//! What an organisation wants two people for: the section `approvals` of its settings.
//!
//! One person may ask for more. Asking for less waits for another person, so the statement that sets
//! the section does not loosen it.

use domain::{approvals::Demands, ids::OrgId};

use crate::{Db, Error, audit::Entry};

pub async fn find(db: &impl Db, org: &OrgId) -> Result<Demands, Error> {
    Ok(find_with_version(db, org).await?.0)
}

/// With the version of the section, 0 for none: what a request to loosen it is about.
pub async fn find_with_version(db: &impl Db, org: &OrgId) -> Result<(Demands, u32), Error> {
    let rows = db
        .query(
            "SELECT value ->> '$.commands', value ->> '$.uninstalls', value ->> '$.mandatory_updates', version
               FROM organization_settings
              WHERE org_id = ?1 AND name = 'approvals'",
            &[org.into()],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok((Demands::default(), 0)) };
    let demands = Demands {
        commands: row.flag(0)?,
        uninstalls: row.flag(1)?,
        mandatory_updates: row.flag(2)?,
    };
    Ok((demands, row.integer(3)?))
}

/// Sets the section, unless that would loosen it; `false` then.
pub async fn record(
    db: &impl Db,
    org: &OrgId,
    demands: Demands,
    entry: &Entry,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "INSERT INTO organization_settings (org_id, name, value, updated_at, updated_by, audit)
             VALUES (?1, 'approvals', ?2, ?3, ?4, ?5)
                 ON CONFLICT (org_id, name) DO UPDATE
                SET value = excluded.value, version = version + 1, updated_at = excluded.updated_at,
                    updated_by = excluded.updated_by, audit = excluded.audit
              WHERE (value ->> '$.commands') <= (excluded.value ->> '$.commands')
                AND (value ->> '$.uninstalls') <= (excluded.value ->> '$.uninstalls')
                AND (value ->> '$.mandatory_updates') <= (excluded.value ->> '$.mandatory_updates')
          RETURNING 1",
            &[
                org.into(),
                to_json(demands).into(),
                entry.at.into(),
                (&entry.actor).into(),
                entry.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

pub fn to_json(demands: Demands) -> String {
    let Demands { commands, uninstalls, mandatory_updates } = demands;
    serde_json::json!({
        "commands": commands, "uninstalls": uninstalls, "mandatory_updates": mandatory_updates,
    })
    .to_string()
}

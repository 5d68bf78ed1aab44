//! `agents` whose key is to change. How a rotation ends is in [`crate::devices`].

use domain::{
    ids::{AgentId, OrgId},
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, audit::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Of the key that waits, which may be an earlier one than was offered.
    pub sealed: Vec<u8>,
    pub started_at: Timestamp,
}

/// Lets this key wait for its agent, unless one waits already: what was handed out is never
/// replaced (D-44). `None` when this organisation has no such agent.
pub async fn start(
    db: &impl Db,
    org: &OrgId,
    id: &AgentId,
    (key, sealed): (&Digest, &[u8]),
    entry: &Entry,
) -> Result<Option<Pending>, Error> {
    let rows = db
        .query(
            "UPDATE agents
                SET updated_at          = iif(pending_key_digest IS NULL, ?5, updated_at),
                    pending_key_digest  = coalesce(pending_key_digest, ?3),
                    pending_key_sealed  = coalesce(pending_key_sealed, ?4),
                    rotation_started_at = coalesce(rotation_started_at, ?5),
                    audit               = ?6
              WHERE id = ?1 AND org_id = ?2
          RETURNING pending_key_sealed, rotation_started_at",
            &[id.into(), org.into(), key.into(), sealed.into(), entry.at.into(), entry.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

fn decode(mut row: Row) -> Result<Pending, Error> {
    Ok(Pending { sealed: row.blob(0)?, started_at: row.timestamp(1)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{NOW, agent, entry, events, plan},
        native::Memory,
    };

    async fn rotate(db: &impl Db, org: &str, key: &str, now: Timestamp) -> Option<Pending> {
        let sealed = key.as_bytes();
        let entry = Entry { at: now, ..entry("agent.rotate-key") };
        start(db, &org.into(), &"a1".into(), (&Digest::of(key), sealed), &entry).await.unwrap()
    }

    #[tokio::test]
    async fn a_second_rotation_returns_the_key_of_the_first() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        let first = rotate(&db, "org", "one", NOW).await.unwrap();
        assert_eq!(first, Pending { sealed: b"one".to_vec(), started_at: NOW });
        let second = rotate(&db, "org", "two", Timestamp(NOW.0 + 1)).await.unwrap();
        assert_eq!(second, first);
        assert_eq!(events(&db).await, ["enrolled", "key_rotated"]);
        let known = crate::devices::find_credentials(&db, &"a1".into()).await.unwrap().unwrap();
        assert_eq!(known.credentials.pending, Some(Digest::of("one")));
        assert_eq!(known.credentials.current, Digest::of("key"));
    }

    #[tokio::test]
    async fn a_foreign_agent_is_not_found() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        assert_eq!(rotate(&db, "other", "one", NOW).await, None);
    }

    #[tokio::test]
    async fn rotating_scans_nothing() {
        plan(async |db| drop(rotate(db, "org", "one", NOW).await)).await.never_scans();
    }
}

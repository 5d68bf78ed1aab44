//! `agents` whose key is to change. How a rotation ends is in [`crate::devices`].

use domain::{
    agents::AgentStatus,
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

/// An agent whose key somebody wants to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    pub status: AgentStatus,
    /// The key that waits already.
    pub sealed: Option<Vec<u8>>,
}

/// `None` when this organisation has no such agent.
pub async fn find(db: &impl Db, org: &OrgId, id: &AgentId) -> Result<Option<KeyHolder>, Error> {
    let rows = db
        .query(
            "SELECT status, pending_key_sealed FROM agents WHERE id = ?1 AND org_id = ?2",
            &[id.into(), org.into()],
        )
        .await?;
    let decode = |mut row: Row| {
        let sealed = if row.is_null(1) { None } else { Some(row.blob(1)?) };
        Ok(KeyHolder { status: row.parsed(0)?, sealed })
    };
    rows.into_iter().next().map(decode).transpose()
}

/// Lets this key wait for its agent, unless one waits already: what was handed out is never
/// replaced (D-44). `None` when this organisation has no such agent, or it is gone for good.
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
              WHERE id = ?1 AND org_id = ?2 AND status IN ('active', 'disabled')
          RETURNING pending_key_sealed, rotation_started_at",
            &[id.into(), org.into(), key.into(), sealed.into(), entry.at.into(), entry.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Lets this key wait in place of `unreadable`, which nobody can be given any more. Should its agent
/// have it all the same, it opens like a previous key until `recoverable_until`, so that the agent
/// gets this one, too. There is one such place, so an earlier previous key opens no more: an agent
/// that never adopted the unreadable one, and lives on the earlier one because it lost its own, is
/// shut out and enrolls anew.
///
/// `None` when something else waits by now, or the agent is gone.
pub async fn replace(
    db: &impl Db,
    (org, id): (&OrgId, &AgentId),
    unreadable: &[u8],
    (key, sealed): (&Digest, &[u8]),
    recoverable_until: Timestamp,
    entry: &Entry,
) -> Result<Option<Pending>, Error> {
    let rows = db
        .query(
            "UPDATE agents
                SET updated_at              = ?5,
                    previous_key_digest     = pending_key_digest,
                    previous_key_expires_at = ?8,
                    pending_key_digest      = ?3,
                    pending_key_sealed      = ?4,
                    rotation_started_at     = ?5,
                    audit                   = ?6
              WHERE id = ?1 AND org_id = ?2 AND status IN ('active', 'disabled') AND pending_key_sealed = ?7
          RETURNING pending_key_sealed, rotation_started_at",
            &[
                id.into(),
                org.into(),
                key.into(),
                sealed.into(),
                entry.at.into(),
                entry.into(),
                unreadable.into(),
                recoverable_until.into(),
            ],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

/// Organisations that want rotations and have agents that are due, with what their keys are older than;
/// where the oldest key is comes first. `setting` names the section in which they say so.
///
/// What cannot be read of it has its default, as everywhere: off, and 90 days.
pub async fn list_organisations(
    db: &impl Db,
    setting: &str,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(OrgId, Timestamp)>, Error> {
    let rows = db
        .query(
            "WITH wanted (org_id, before) AS (
                 SELECT org_id,
                        ?2 - iif(json_type(value, '$.interval_days') = 'integer'
                                   AND value ->> '$.interval_days' BETWEEN 30 AND 365,
                                 value ->> '$.interval_days', 90) * 86400000
                   FROM organization_settings
                  WHERE name = ?1 AND json_type(value, '$.enabled') = 'true'),
             oldest (org_id, before, at) AS (
                 SELECT org_id, before,
                        (SELECT coalesce(key_rotated_at, created_at) FROM agents
                          WHERE agents.org_id = wanted.org_id AND status = 'active' AND pending_key_digest IS NULL
                       ORDER BY coalesce(key_rotated_at, created_at) LIMIT 1)
                   FROM wanted)
             SELECT org_id, before FROM oldest WHERE at < before ORDER BY at LIMIT ?3",
            &[setting.into(), now.into(), limit.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| Ok((OrgId(row.text(0)?), row.timestamp(1)?))).collect()
}

/// Active agents whose key is older than `before` and not about to change, oldest key first.
pub async fn list_due(
    db: &impl Db,
    org: &OrgId,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<AgentId>, Error> {
    let rows = db
        .query(
            "SELECT id FROM agents
              WHERE org_id = ?1 AND status = 'active' AND pending_key_digest IS NULL
                AND coalesce(key_rotated_at, created_at) < ?2
           ORDER BY coalesce(key_rotated_at, created_at) LIMIT ?3",
            &[org.into(), before.into(), limit.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| Ok(AgentId(row.text(0)?))).collect()
}

/// Lets this key wait for its agent, if the agent is still due. `false` when somebody else was faster.
pub async fn start_due(
    db: &impl Db,
    id: &AgentId,
    (key, sealed): (&Digest, &[u8]),
    before: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE agents
                SET updated_at = ?5, pending_key_digest = ?2, pending_key_sealed = ?3, rotation_started_at = ?5
              WHERE id = ?1 AND status = 'active' AND pending_key_digest IS NULL
                AND coalesce(key_rotated_at, created_at) < ?4
          RETURNING 1",
            &[id.into(), key.into(), sealed.into(), before.into(), now.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

fn decode(mut row: Row) -> Result<Pending, Error> {
    Ok(Pending { sealed: row.blob(0)?, started_at: row.timestamp(1)? })
}

#[cfg(test)]
mod tests {
    use domain::time::Span;

    use super::*;
    use crate::{
        fixtures::{NOW, agent, entry, events, other_agent, plan, run, update_agent},
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
        assert_eq!(find(&db, &"other".into(), &"a1".into()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn nobody_who_is_gone_for_good_gets_a_key() {
        for (status, gets) in
            [("disabled", true), ("decommissioned", false), ("uninstalled", false)]
        {
            let db = Memory::migrated();
            agent(&db, "key").await;
            update_agent(&db, "status", status).await;
            assert_eq!(rotate(&db, "org", "one", NOW).await.is_some(), gets, "{status}");
            let found = find(&db, &"org".into(), &"a1".into()).await.unwrap().unwrap();
            assert_eq!((found.status.as_str(), found.sealed.is_some()), (status, gets));
        }
    }

    const RECOVERABLE: Timestamp = Timestamp(NOW.0 + 1000);

    async fn replace_with(db: &impl Db, unreadable: &str, key: &str) -> Option<Pending> {
        let offered = (&Digest::of(key), key.as_bytes());
        let (org, id) = ("org".into(), "a1".into());
        let entry = Entry { at: Timestamp(NOW.0 + 5), ..entry("agent.rotate-key") };
        let unreadable = unreadable.as_bytes();
        replace(db, (&org, &id), unreadable, offered, RECOVERABLE, &entry).await.unwrap()
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_opened_is_replaced_by_one_of_two() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        rotate(&db, "org", "one", NOW).await.unwrap();
        let second = replace_with(&db, "one", "two").await.unwrap();
        let at = Timestamp(NOW.0 + 5);
        assert_eq!(second, Pending { sealed: b"two".to_vec(), started_at: at });
        assert_eq!(replace_with(&db, "one", "three").await, None);
        let known = crate::devices::find_credentials(&db, &"a1".into()).await.unwrap().unwrap();
        assert_eq!(known.credentials.pending, Some(Digest::of("two")));
        // An agent that got it before is let in with it, and learns the new one.
        assert_eq!(known.credentials.previous, Some((Digest::of("one"), RECOVERABLE)));
    }

    /// Whoever has the key that waited has given up the one before.
    #[tokio::test]
    async fn a_key_that_was_replaced_opens_though_an_earlier_one_did() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        let sql = "UPDATE agents SET previous_key_digest = ?1, previous_key_expires_at = ?2";
        run(&db, sql, &[(&Digest::of("earlier")).into(), RECOVERABLE.into()]).await;
        rotate(&db, "org", "one", NOW).await.unwrap();
        replace_with(&db, "one", "two").await.unwrap();
        let known = crate::devices::find_credentials(&db, &"a1".into()).await.unwrap().unwrap();
        assert_eq!(known.credentials.previous, Some((Digest::of("one"), RECOVERABLE)));
    }

    #[tokio::test]
    async fn rotating_scans_nothing() {
        plan(async |db| drop(rotate(db, "org", "one", NOW).await)).await.never_scans();
        plan(async |db| drop(replace_with(db, "one", "two").await)).await.never_scans();
    }

    #[tokio::test]
    async fn the_oldest_keys_are_due_first_and_once() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        for (id, age) in [("a2", 5), ("a3", 9), ("a4", 7)] {
            other_agent(&db, id, "org", id).await;
            let sql = "UPDATE agents SET key_rotated_at = ?2 WHERE id = ?1";
            run(&db, sql, &[id.into(), Timestamp(NOW.0 - age).into()]).await;
        }
        other_agent(&db, "foreign", "other", "k").await;
        run(&db, "UPDATE agents SET status = 'disabled' WHERE id = 'a4'", &[]).await;
        let due = async |before| {
            let due = list_due(&db, &"org".into(), before, 9).await.unwrap();
            due.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(due(NOW).await, ["a3", "a2"]);
        assert_eq!(due(Timestamp(NOW.0 + 1)).await, ["a3", "a2", "a1"]);
        let start = async |key: &str| {
            let offered = (&Digest::of(key), key.as_bytes());
            start_due(&db, &"a3".into(), offered, NOW, NOW).await.unwrap()
        };
        assert!(start("one").await);
        assert!(!start("two").await);
        assert_eq!(due(NOW).await, ["a2"]);
        let known = crate::devices::find_credentials(&db, &"a3".into()).await.unwrap().unwrap();
        assert_eq!(known.credentials.pending, Some(Digest::of("one")));
    }

    #[tokio::test]
    async fn organisations_with_something_due_come_by_the_age_of_their_oldest_key() {
        let db = Memory::migrated();
        let days = |days: i64| NOW - Span::days(days);
        for (org, value, age) in [
            ("off", r#"{"enabled":false,"interval_days":30}"#, 200),
            ("one", r#"{"enabled":1,"interval_days":30}"#, 200),
            ("ninety", r#"{"enabled":true,"interval_days":"30"}"#, 91),
            ("young", r#"{"enabled":true,"interval_days":29}"#, 90),
            ("thirty", r#"{"enabled":true,"interval_days":30}"#, 31),
            ("year", r#"{"enabled":true,"interval_days":365}"#, 366),
            ("nobody", r#"{"enabled":true,"interval_days":30}"#, 0),
        ] {
            let sql =
                "INSERT INTO organization_settings (org_id, name, value, updated_at, updated_by)
                       VALUES (?1, 'rotation', ?2, 0, 'user')";
            run(&db, sql, &[org.into(), value.into()]).await;
            for (id, age) in [(format!("{org}-1"), age), (format!("{org}-2"), 0)] {
                other_agent(&db, &id, org, &id).await;
                let sql = "UPDATE agents SET key_rotated_at = ?2 WHERE id = ?1";
                run(&db, sql, &[id.as_str().into(), days(age).into()]).await;
            }
        }
        let due = async |limit| list_organisations(&db, "rotation", NOW, limit).await.unwrap();
        let expected = [("year", days(365)), ("ninety", days(90)), ("thirty", days(30))]
            .map(|(org, before)| (org.into(), before));
        assert_eq!(due(9).await, expected);
        assert_eq!(due(1).await, expected[..1]);
        plan(async |db| drop(list_organisations(db, "rotation", NOW, 9).await))
            .await
            .uses("organization_settings_by_name")
            .uses("agents_by_key_age");
    }

    #[tokio::test]
    async fn the_due_are_at_the_front_of_an_index() {
        plan(async |db| drop(list_due(db, &"org".into(), NOW, 9).await))
            .await
            .uses("agents_by_key_age")
            .never_scans();
    }
}

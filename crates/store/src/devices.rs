//! `agents` as those who call: authentication and the budget, in the statement that does the work.
//!
//! [`admit`] is that statement for work outside the database. Presence, polling and reporting have
//! the same guard in theirs. All take these parameters first: `?1` agent, `?2` key digest, `?3` now,
//! `?4` start of a window that still lasts, `?5` requests in a window.

use domain::{
    devices::{Credentials, Presented},
    ids::{AgentId, OrgId},
    platform::Platform,
    rate_limit::{Budget, Limit},
    secrets::Digest,
    time::Timestamp,
};

use crate::{Db, Error, Row, Value};

/// The key opens (fleet.md §2.2; the previous one only while a rotation waits, D-66).
macro_rules! authenticated {
    () => {
        "agents.id = ?1 AND agents.status = 'active'
         AND (agents.key_digest = ?2
              OR (agents.previous_key_digest = ?2 AND agents.previous_key_expires_at > ?3
                  AND agents.pending_key_digest IS NOT NULL))"
    };
}

macro_rules! within_budget {
    () => {
        "(agents.budget_used < ?5 OR agents.budget_started_at <= ?4)"
    };
}

macro_rules! within_results_budget {
    () => {
        "(agents.results_used < ?5 OR agents.results_started_at <= ?4)"
    };
}

/// What every accepted request sets. The agent's silence about rejections ends with it (D-64).
macro_rules! counted {
    () => {
        "budget_used       = iif(budget_started_at > ?4, budget_used + 1, 1),
         budget_started_at = iif(budget_started_at > ?4, budget_started_at, ?3),
         rejected_since    = NULL"
    };
}

pub(crate) use {authenticated, counted, within_budget, within_results_budget};

/// The parameters `?1` to `?5`.
pub(crate) fn guard(device: &Presented, limit: Limit, now: Timestamp) -> Vec<Value> {
    let window_start = now - limit.window();
    vec![
        (&device.agent).into(),
        (&device.key).into(),
        now.into(),
        window_start.into(),
        limit.requests.into(),
    ]
}

/// Reads `used, started_at` from two columns.
pub(crate) fn budget(
    row: &mut Row,
    column: usize,
    limit: Limit,
    now: Timestamp,
) -> Result<Budget, Error> {
    Ok(limit.judge(row.integer(column)?, row.timestamp(column + 1)?, now).budget)
}

/// An authenticated agent whose request was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub org: OrgId,
    pub platform: Platform,
    pub budget: Budget,
}

/// Authenticates and counts one request against the device's budget.
///
/// `None` when the key does not open or the budget is spent; [`find_credentials`] tells which.
pub async fn admit(
    db: &impl Db,
    device: &Presented,
    limit: Limit,
    now: Timestamp,
) -> Result<Option<Admitted>, Error> {
    let rows = db
        .query(
            concat!(
                "UPDATE agents SET ",
                counted!(),
                " WHERE ",
                authenticated!(),
                " AND ",
                within_budget!(),
                " RETURNING budget_used, budget_started_at, org_id, os, arch"
            ),
            &guard(device, limit, now),
        )
        .await?;
    rows.into_iter().next().map(|row| decode_admitted(row, limit, now)).transpose()
}

/// As [`admit`], against the budget of results.
pub async fn admit_result(
    db: &impl Db,
    device: &Presented,
    limit: Limit,
    now: Timestamp,
) -> Result<Option<Admitted>, Error> {
    let rows = db
        .query(
            concat!(
                "UPDATE agents
                    SET results_used       = iif(results_started_at > ?4, results_used + 1, 1),
                        results_started_at = iif(results_started_at > ?4, results_started_at, ?3),
                        rejected_since     = NULL
                  WHERE ",
                authenticated!(),
                " AND ",
                within_results_budget!(),
                " RETURNING results_used, results_started_at, org_id, os, arch"
            ),
            &guard(device, limit, now),
        )
        .await?;
    rows.into_iter().next().map(|row| decode_admitted(row, limit, now)).transpose()
}

pub(crate) fn decode_admitted(
    mut row: Row,
    limit: Limit,
    now: Timestamp,
) -> Result<Admitted, Error> {
    Ok(Admitted {
        budget: budget(&mut row, 0, limit, now)?,
        org: OrgId(row.text(2)?),
        platform: Platform { os: row.parsed(3)?, arch: row.parsed(4)? },
    })
}

/// What is known of an agent that did not get to its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub credentials: Credentials,
    pub requests: Spent,
    pub results: Spent,
    pub rejected_since: Option<Timestamp>,
}

/// A window as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    pub used: u32,
    pub started_at: Timestamp,
}

pub async fn find_credentials(db: &impl Db, agent: &AgentId) -> Result<Option<Known>, Error> {
    let rows = db
        .query(
            "SELECT status, key_digest, pending_key_digest, previous_key_digest, previous_key_expires_at,
                    budget_used, budget_started_at, results_used, results_started_at, rejected_since
               FROM agents
              WHERE id = ?1",
            &[agent.into()],
        )
        .await?;
    rows.into_iter().next().map(decode_known).transpose()
}

fn decode_known(mut row: Row) -> Result<Known, Error> {
    let previous =
        if row.is_null(3) { None } else { Some((row.bytes(3)?.into(), row.timestamp(4)?)) };
    let pending = if row.is_null(2) { None } else { Some(Digest::from(row.bytes(2)?)) };
    Ok(Known {
        credentials: Credentials {
            status: row.parsed(0)?,
            current: row.bytes(1)?.into(),
            pending,
            previous,
        },
        requests: Spent { used: row.integer(5)?, started_at: row.timestamp(6)? },
        results: Spent { used: row.integer(7)?, started_at: row.timestamp(8)? },
        rejected_since: row.optional_timestamp(9)?,
    })
}

/// Makes the pending key the current one, because its agent has used it: the only way to end a
/// rotation (D-13). The key before is kept until `previous_expires_at`.
///
/// `false` when it is no longer pending, be it that a racing request promoted it.
pub async fn record_promotion(
    db: &impl Db,
    device: &Presented,
    previous_expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let rows = db
        .query(
            "UPDATE agents
                SET previous_key_digest     = key_digest,
                    previous_key_expires_at = ?4,
                    key_digest              = pending_key_digest,
                    key_rotated_at          = ?3,
                    pending_key_digest      = NULL,
                    pending_key_sealed      = NULL,
                    rotation_started_at     = NULL,
                    updated_at              = ?3
              WHERE id = ?1 AND status = 'active' AND pending_key_digest = ?2
          RETURNING 1",
            &[(&device.agent).into(), (&device.key).into(), now.into(), previous_expires_at.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Notes since when this agent is turned away, if that is not noted yet (D-64).
pub async fn record_rejection(db: &impl Db, agent: &AgentId, now: Timestamp) -> Result<(), Error> {
    db.query(
        "UPDATE agents SET rejected_since = ?2 WHERE id = ?1 AND rejected_since IS NULL",
        &[agent.into(), now.into()],
    )
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use domain::{agents::AgentStatus, rate_limit::DEVICE};

    use super::*;
    use crate::{
        fixtures::{NOW, agent, device, integer, plan, start_rotation, update_agent},
        native::Memory,
    };

    async fn is_admitted(db: &Memory, key: &str, now: Timestamp) -> bool {
        admit(db, &device(key), DEVICE, now).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn the_current_key_is_admitted_and_counted() {
        let db = Memory::migrated();
        agent(&db, "current").await;
        let admitted = admit(&db, &device("current"), DEVICE, NOW).await.unwrap().unwrap();
        assert_eq!((admitted.org.as_str(), admitted.budget.remaining), ("org", 29));
        assert!(!is_admitted(&db, "other", NOW).await);
    }

    #[tokio::test]
    async fn the_thirty_first_request_of_a_window_is_not_admitted() {
        let db = Memory::migrated();
        agent(&db, "current").await;
        for _ in 0..30 {
            assert!(is_admitted(&db, "current", NOW).await);
        }
        assert!(!is_admitted(&db, "current", Timestamp(NOW.0 + 59_999)).await);
        assert!(is_admitted(&db, "current", Timestamp(NOW.0 + 60_000)).await);
        let known = find_credentials(&db, &"a1".into()).await.unwrap().unwrap();
        assert_eq!(known.requests.used, 1);
    }

    #[tokio::test]
    async fn results_have_a_budget_of_their_own() {
        let db = Memory::migrated();
        agent(&db, "current").await;
        let limit = Limit { requests: 1, window_seconds: 60 };
        let current = device("current");
        assert!(admit(&db, &current, limit, NOW).await.unwrap().is_some());
        assert!(admit(&db, &current, limit, NOW).await.unwrap().is_none());
        assert!(admit_result(&db, &current, limit, NOW).await.unwrap().is_some());
        assert!(admit_result(&db, &current, limit, NOW).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_pending_key_is_promoted_by_one_of_two_racing_requests() {
        let db = Memory::migrated();
        agent(&db, "current").await;
        start_rotation(&db, "next").await;
        let next = device("next");
        assert!(!is_admitted(&db, "next", NOW).await);

        let expires = Timestamp(NOW.0 + 10);
        assert!(record_promotion(&db, &next, expires, NOW).await.unwrap());
        assert!(!record_promotion(&db, &next, expires, NOW).await.unwrap());

        assert!(is_admitted(&db, "next", NOW).await);
        assert!(!is_admitted(&db, "current", NOW).await);
        let known = find_credentials(&db, &"a1".into()).await.unwrap().unwrap();
        assert_eq!(known.credentials.current, Digest::of("next"));
        assert_eq!(known.credentials.previous, Some((Digest::of("current"), expires)));
        assert_eq!(known.credentials.pending, None);
    }

    #[tokio::test]
    async fn the_previous_key_is_admitted_only_while_another_rotation_waits() {
        let db = Memory::migrated();
        agent(&db, "first").await;
        start_rotation(&db, "second").await;
        let expires = Timestamp(NOW.0 + 1000);
        record_promotion(&db, &device("second"), expires, NOW).await.unwrap();
        assert!(!is_admitted(&db, "first", NOW).await);
        start_rotation(&db, "third").await;
        assert!(is_admitted(&db, "first", NOW).await);
        assert!(!is_admitted(&db, "first", expires).await);
    }

    #[tokio::test]
    async fn an_agent_that_is_not_active_is_neither_admitted_nor_promoted() {
        for status in ["disabled", "decommissioned", "uninstalled"] {
            let db = Memory::migrated();
            agent(&db, "current").await;
            start_rotation(&db, "next").await;
            update_agent(&db, "status", status).await;
            assert!(!is_admitted(&db, "current", NOW).await);
            assert!(!record_promotion(&db, &device("next"), NOW, NOW).await.unwrap());
            let known = find_credentials(&db, &"a1".into()).await.unwrap().unwrap();
            assert_ne!(known.credentials.status, AgentStatus::Active);
        }
    }

    #[tokio::test]
    async fn rejection_is_noted_since_its_first_and_forgotten_when_admitted() {
        let db = Memory::migrated();
        agent(&db, "current").await;
        let id = AgentId::from("a1");
        record_rejection(&db, &id, NOW).await.unwrap();
        record_rejection(&db, &id, Timestamp(NOW.0 + 5)).await.unwrap();
        let since = "SELECT rejected_since FROM agents";
        assert_eq!(integer(&db, since).await, Some(NOW.0));
        assert!(is_admitted(&db, "current", NOW).await);
        assert_eq!(integer(&db, since).await, None);
    }

    #[tokio::test]
    async fn admission_finds_its_agent_by_key() {
        // D-05
        plan(async |db| drop(admit(db, &device("current"), DEVICE, NOW).await)).await.never_scans();
    }
}

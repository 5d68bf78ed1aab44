//! `rate_limits`: fixed windows of callers that have no row of their own, one row per caller.

use domain::{
    rate_limit::{Counted, Limit},
    time::Timestamp,
};

use crate::{Db, Error};

/// Counts one request of this caller, in a new window when the last one has ended.
///
/// Counting stops one above the limit, so that a flood cannot overflow.
pub async fn count(
    db: &impl Db,
    key: &str,
    limit: Limit,
    now: Timestamp,
) -> Result<Counted, Error> {
    let rows = db
        .query(
            "INSERT INTO rate_limits (key, started_at, expires_at, used)
             VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (key) DO UPDATE
                SET used       = iif(expires_at > ?2, min(used, ?4) + 1, 1),
                    started_at = iif(expires_at > ?2, started_at, ?2),
                    expires_at = iif(expires_at > ?2, expires_at, ?3)
          RETURNING used, started_at",
            &[key.into(), now.into(), (now + limit.window()).into(), limit.requests.into()],
        )
        .await?;
    let mut row = crate::only(rows)?;
    Ok(limit.judge(row.integer(0)?, row.timestamp(1)?, now))
}

/// Counts an attempt before it is made, so that many at once cannot outrun the count. The last that
/// is allowed locks for a whole window from then on; [`forget`] unlocks.
pub async fn count_attempt(
    db: &impl Db,
    key: &str,
    limit: Limit,
    now: Timestamp,
) -> Result<Counted, Error> {
    let rows = db
        .query(
            "INSERT INTO rate_limits (key, started_at, expires_at, used)
             VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (key) DO UPDATE
                SET used       = iif(expires_at > ?2, min(used, ?4) + 1, 1),
                    started_at = iif(expires_at > ?2 AND used + 1 <> ?4, started_at, ?2),
                    expires_at = iif(expires_at > ?2 AND used + 1 <> ?4, expires_at, ?3)
          RETURNING used, started_at",
            &[key.into(), now.into(), (now + limit.window()).into(), limit.requests.into()],
        )
        .await?;
    let mut row = crate::only(rows)?;
    Ok(limit.judge(row.integer(0)?, row.timestamp(1)?, now))
}

/// What was counted no longer counts.
pub async fn forget(db: &impl Db, key: &str) -> Result<(), Error> {
    db.query("DELETE FROM rate_limits WHERE key = ?1", &[key.into()]).await.map(drop)
}

/// Deletes at most `at_most` windows that have ended, and returns how many.
pub async fn delete_ended(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM rate_limits
              WHERE key IN (SELECT key FROM rate_limits WHERE expires_at <= ?1
                             ORDER BY expires_at LIMIT ?2)
          RETURNING 1",
            &[now.into(), at_most.into()],
        )
        .await?;
    Ok(crate::length(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::Memory;

    const LIMIT: Limit = Limit { requests: 2, window_seconds: 10 };

    async fn left(db: &Memory, key: &str, now: i64) -> (u32, u32, bool) {
        let counted = count(db, key, LIMIT, Timestamp(now)).await.unwrap();
        (counted.budget.remaining, counted.budget.reset_seconds, counted.allowed)
    }

    #[tokio::test]
    async fn a_window_allows_its_limit_and_then_ends() {
        let db = Memory::migrated();
        assert_eq!(left(&db, "a", 0).await, (1, 10, true));
        assert_eq!(left(&db, "a", 4000).await, (0, 6, true));
        assert_eq!(left(&db, "a", 9999).await, (0, 1, false));
        assert_eq!(left(&db, "a", 9999).await, (0, 1, false));
        assert_eq!(left(&db, "a", 10_000).await, (1, 10, true));
    }

    #[tokio::test]
    async fn callers_do_not_share_a_window() {
        let db = Memory::migrated();
        assert_eq!(left(&db, "a", 0).await, (1, 10, true));
        assert_eq!(left(&db, "b", 0).await, (1, 10, true));
    }

    #[tokio::test]
    async fn the_last_attempt_locks_for_a_whole_window() {
        let db = Memory::migrated();
        let limit = Limit { requests: 3, window_seconds: 10 };
        let attempt = async |now: i64| {
            let counted = count_attempt(&db, "a", limit, Timestamp(now)).await.unwrap();
            (counted.allowed, counted.budget.reset_seconds)
        };
        assert_eq!(attempt(0).await, (true, 10));
        assert_eq!(attempt(8000).await, (true, 2));
        assert_eq!(attempt(9000).await, (true, 10));
        assert_eq!(attempt(10_000).await, (false, 9));
        assert_eq!(attempt(18_999).await, (false, 1));
        assert_eq!(attempt(19_000).await, (true, 10));
        forget(&db, "a").await.unwrap();
        assert_eq!(attempt(19_000).await, (true, 10));
    }

    #[tokio::test]
    async fn ended_windows_are_deleted_a_batch_at_a_time() {
        let db = Memory::migrated();
        for key in ["a", "b", "c"] {
            left(&db, key, 0).await;
        }
        left(&db, "d", 5000).await;
        assert_eq!(delete_ended(&db, Timestamp(10_000), 2).await.unwrap(), 2);
        assert_eq!(delete_ended(&db, Timestamp(10_000), 2).await.unwrap(), 1);
        assert_eq!(delete_ended(&db, Timestamp(10_000), 2).await.unwrap(), 0);
    }
}

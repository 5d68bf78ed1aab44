//! What is past its retention goes, in bounded batches. Samples and ended limiter windows have their
//! own modules.

use domain::time::{Span, Timestamp};

use crate::{Db, Error, length};

/// Of tokens and sessions after they ended.
const ENDED_RETENTION: Span = Span::days(30);
/// Of hourly averages and events.
const HISTORY_RETENTION: Span = Span::days(400);

/// Deletes enrollment tokens that expired 30 days ago.
pub async fn delete_enrollment_tokens(
    db: &impl Db,
    now: Timestamp,
    at_most: u32,
) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM enrollment_tokens
              WHERE id IN (SELECT id FROM enrollment_tokens
                            WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)
          RETURNING 1",
            &[(now - ENDED_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes hourly averages of heartbeats after 400 days.
pub async fn delete_hourly_averages(
    db: &impl Db,
    now: Timestamp,
    at_most: u32,
) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM heartbeat_hourly
              WHERE (agent_id, hour_at) IN (SELECT agent_id, hour_at FROM heartbeat_hourly
                                             WHERE hour_at < ?1 ORDER BY hour_at LIMIT ?2)
          RETURNING 1",
            &[(now - HISTORY_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes events of agents after 400 days. Looks at the oldest `at_most` only: ids grow with time.
pub async fn delete_events(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM agent_events
              WHERE created_at < ?1
                AND id IN (SELECT id FROM agent_events ORDER BY id LIMIT ?2)
          RETURNING 1",
            &[(now - HISTORY_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes sessions, with their refresh tokens, that expired 30 days ago.
pub async fn delete_sessions(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM sessions
              WHERE id IN (SELECT id FROM sessions
                            WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)
          RETURNING 1",
            &[(now - ENDED_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes logins of devices that expired 30 days ago.
pub async fn delete_device_logins(
    db: &impl Db,
    now: Timestamp,
    at_most: u32,
) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM device_logins
              WHERE device_digest IN (SELECT device_digest FROM device_logins
                                       WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)
          RETURNING 1",
            &[(now - ENDED_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agents::sweeps::delete_old_samples,
        fixtures::{NOW, agent, integer, plan, run, token},
        native::Memory,
    };

    #[tokio::test]
    async fn a_token_is_kept_for_thirty_days_after_it_expired() {
        let db = Memory::migrated();
        token(&db, 1).await;
        let gone = NOW + Span::hours(1) + Span::days(30);
        assert_eq!(delete_enrollment_tokens(&db, gone, 10).await.unwrap(), 0);
        assert_eq!(delete_enrollment_tokens(&db, Timestamp(gone.0 + 1), 10).await.unwrap(), 1);
        assert_eq!(delete_enrollment_tokens(&db, Timestamp(gone.0 + 1), 10).await.unwrap(), 0);
    }

    async fn sample(db: &Memory, bucket: i64, cpu: Option<f64>) {
        run(
            db,
            "INSERT INTO heartbeat_history (agent_id, bucket_at, recorded_at, cpu_percent) VALUES ('a1', ?1, ?1, ?2)",
            &[bucket.into(), cpu.into()],
        )
        .await;
    }

    #[tokio::test]
    async fn samples_become_hourly_averages_however_small_the_batches_are() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        for (n, cpu) in [(0, Some(10.0)), (1, None), (2, Some(30.0)), (12, Some(7.0))] {
            sample(&db, n * 300_000, cpu).await;
        }
        while delete_old_samples(&db, NOW, 1).await.unwrap() > 0 {}
        assert_eq!(integer(&db, "SELECT count(*) FROM heartbeat_history").await, Some(0));
        let hours = "SELECT count(*) FROM heartbeat_hourly
                      WHERE (hour_at, samples, cpu_percent) IN (VALUES (0, 3, 20.0), (3600000, 1, 7.0))";
        assert_eq!(integer(&db, hours).await, Some(2));
        let kept = Timestamp(0) + HISTORY_RETENTION;
        assert_eq!(delete_hourly_averages(&db, kept, 10).await.unwrap(), 0);
        assert_eq!(delete_hourly_averages(&db, Timestamp(kept.0 + 1), 10).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn events_are_kept_for_400_days() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        let kept = NOW + HISTORY_RETENTION;
        assert_eq!(delete_events(&db, kept, 10).await.unwrap(), 0);
        assert_eq!(delete_events(&db, Timestamp(kept.0 + 1), 10).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn deletions_read_their_indexes() {
        plan(async |db| drop(delete_enrollment_tokens(db, NOW, 10).await))
            .await
            .uses("enrollment_tokens_by_expiry");
        plan(async |db| drop(delete_hourly_averages(db, NOW, 10).await))
            .await
            .uses("heartbeat_hourly_by_age");
        plan(async |db| drop(delete_sessions(db, NOW, 10).await)).await.uses("sessions_by_age");
        plan(async |db| drop(delete_device_logins(db, NOW, 10).await))
            .await
            .uses("device_logins_by_age");
    }
}

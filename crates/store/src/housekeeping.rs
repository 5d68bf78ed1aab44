//! What is past its retention goes, in bounded batches. Samples and ended limiter windows have their
//! own modules.

use domain::time::{Span, Timestamp};

use crate::{Db, Error, length};

/// Of tokens, sessions and invitations after they ended.
const ENDED_RETENTION: Span = Span::days(30);
/// Of hourly averages, events, the days of a fleet and decided approvals.
const HISTORY_RETENTION: Span = Span::days(400);
/// Of the days of an agent, whose scores look back 30 days.
const DAYS_RETENTION: Span = Span::days(40);

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

/// Deletes events of agents after 400 days.
pub async fn delete_events(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM agent_events
              WHERE id IN (SELECT id FROM agent_events
                            WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)
          RETURNING 1",
            &[(now - HISTORY_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes refresh tokens that were used 30 days ago: by then they would have expired, and say nothing
/// any more.
pub async fn delete_refresh_tokens(
    db: &impl Db,
    now: Timestamp,
    at_most: u32,
) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM rotated_refresh_tokens
              WHERE digest IN (SELECT digest FROM rotated_refresh_tokens
                                WHERE rotated_at < ?1 ORDER BY rotated_at LIMIT ?2)
          RETURNING 1",
            &[(now - ENDED_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes sessions that ended 30 days ago: by themselves or by expiry. Those whose refresh tokens are
/// still to be deleted wait for that: one session may have thousands.
pub async fn delete_sessions(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM sessions
              WHERE id IN (SELECT id FROM sessions
                            WHERE coalesce(ended_at, expires_at) < ?1
                              AND NOT EXISTS (SELECT 1 FROM rotated_refresh_tokens AS used
                                               WHERE used.session_id = sessions.id)
                         ORDER BY coalesce(ended_at, expires_at) LIMIT ?2)
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

/// Deletes what agents did on days 40 days ago.
pub async fn delete_agent_days(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM agent_days
              WHERE (agent_id, day) IN (SELECT agent_id, day FROM agent_days
                                         WHERE day < ?1 ORDER BY day LIMIT ?2)
          RETURNING 1",
            &[day(now - DAYS_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes what fleets did on days 400 days ago.
pub async fn delete_fleet_days(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM fleet_days
              WHERE (org_id, day) IN (SELECT org_id, day FROM fleet_days
                                       WHERE day < ?1 ORDER BY day LIMIT ?2)
          RETURNING 1",
            &[day(now - HISTORY_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes invitations that were accepted or revoked, or expired, 30 days ago.
pub async fn delete_invitations(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM invitations
              WHERE id IN (SELECT id FROM invitations
                            WHERE coalesce(accepted_at, revoked_at, expires_at) < ?1
                         ORDER BY coalesce(accepted_at, revoked_at, expires_at) LIMIT ?2)
          RETURNING 1",
            &[(now - ENDED_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes approvals that were decided 400 days ago, by people or by time. One that withholds a release
/// stays as long as the release does.
pub async fn delete_approvals(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM approvals
              WHERE id IN (SELECT id FROM approvals
                            WHERE decided_at < ?1
                              AND NOT EXISTS (SELECT 1 FROM agent_releases
                                               WHERE agent_releases.awaiting_approval = approvals.id)
                         ORDER BY decided_at LIMIT ?2)
          RETURNING 1",
            &[(now - HISTORY_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Days since the epoch.
const fn day(at: Timestamp) -> i64 {
    at.0.div_euclid(Span::days(1).as_millis())
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

    /// Rows of agents that were there before do not hide the oldest: ids need not grow with time.
    #[tokio::test]
    async fn an_event_that_came_late_is_deleted_in_its_turn() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        let sql = "INSERT INTO agent_events (agent_id, event_type, created_at) VALUES ('a1', 'enrolled', 1)";
        run(&db, sql, &[]).await;
        assert_eq!(delete_events(&db, NOW, 1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_session_is_kept_for_thirty_days_after_it_ended_by_whatever() {
        let db = Memory::migrated();
        let sql = "INSERT INTO sessions (id, kind, user_id, org_id, refresh_digest, created_at, refreshed_at,
                                         expires_at, ended_at)
                   VALUES (?1, 'cli', 'user', 'org', randomblob(32), 0, 0, ?2, ?3)";
        let ended = NOW - Span::days(30);
        run(&db, sql, &["expired".into(), ended.into(), None::<Timestamp>.into()]).await;
        run(&db, sql, &["ended".into(), NOW.into(), ended.into()]).await;
        run(&db, sql, &["alive".into(), NOW.into(), None::<Timestamp>.into()]).await;
        assert_eq!(delete_sessions(&db, NOW, 10).await.unwrap(), 0);
        assert_eq!(delete_sessions(&db, Timestamp(NOW.0 + 1), 10).await.unwrap(), 2);
        assert_eq!(integer(&db, "SELECT count(*) FROM sessions WHERE id = 'alive'").await, Some(1));
    }

    #[tokio::test]
    async fn refresh_tokens_go_before_their_session_and_in_batches() {
        let db = Memory::migrated();
        let ended = Timestamp(NOW.0 - 1) - Span::days(30);
        let sql = "INSERT INTO sessions (id, kind, user_id, org_id, refresh_digest, created_at, refreshed_at, expires_at)
                   VALUES ('s1', 'cli', 'user', 'org', randomblob(32), 0, 0, ?1)";
        run(&db, sql, &[ended.into()]).await;
        let sql = "INSERT INTO rotated_refresh_tokens (digest, session_id, rotated_at) VALUES (randomblob(32), 's1', ?1)";
        for rotated_at in [Timestamp(0), ended, ended] {
            run(&db, sql, &[rotated_at.into()]).await;
        }
        assert_eq!(delete_sessions(&db, NOW, 10).await.unwrap(), 0);
        let kept = Timestamp(0) + Span::days(30);
        assert_eq!(delete_refresh_tokens(&db, kept, 2).await.unwrap(), 0);
        assert_eq!(delete_refresh_tokens(&db, NOW, 2).await.unwrap(), 2);
        assert_eq!(delete_refresh_tokens(&db, NOW, 2).await.unwrap(), 1);
        assert_eq!(delete_sessions(&db, NOW, 10).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn days_are_kept_as_long_as_somebody_reads_them() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        let today = day(NOW);
        for age in [40, 41] {
            let sql = "INSERT INTO agent_days (agent_id, day) VALUES ('a1', ?1)";
            run(&db, sql, &[(today - age).into()]).await;
        }
        for age in [400, 401] {
            let sql = "INSERT INTO fleet_days (org_id, day, samples) VALUES ('org', ?1, 1)";
            run(&db, sql, &[(today - age).into()]).await;
        }
        assert_eq!(delete_agent_days(&db, NOW, 10).await.unwrap(), 1);
        assert_eq!(delete_fleet_days(&db, NOW, 10).await.unwrap(), 1);
        assert_eq!(integer(&db, "SELECT min(day) FROM agent_days").await, Some(today - 40));
        assert_eq!(integer(&db, "SELECT min(day) FROM fleet_days").await, Some(today - 400));
    }

    #[tokio::test]
    async fn an_invitation_is_kept_for_thirty_days_after_it_ended_by_whatever() {
        let db = Memory::migrated();
        let sql = "INSERT INTO invitations (id, org_id, email, role, digest, created_at, created_by, expires_at,
                                            accepted_at, revoked_at, updated_at)
                   VALUES (?1, 'org', ?1, 'admin', randomblob(32), 0, 'user', ?2, ?3, ?4, 0)";
        let (ended, none) = (NOW - Span::days(30), None::<Timestamp>);
        run(&db, sql, &["accepted".into(), NOW.into(), ended.into(), none.into()]).await;
        run(&db, sql, &["revoked".into(), NOW.into(), none.into(), ended.into()]).await;
        run(&db, sql, &["expired".into(), ended.into(), none.into(), none.into()]).await;
        run(&db, sql, &["open".into(), NOW.into(), none.into(), none.into()]).await;
        assert_eq!(delete_invitations(&db, NOW, 10).await.unwrap(), 0);
        assert_eq!(delete_invitations(&db, Timestamp(NOW.0 + 1), 10).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_decided_approval_is_kept_for_400_days_and_as_long_as_it_withholds_a_release() {
        let db = Memory::migrated();
        let sql = "INSERT INTO approvals (id, org_id, kind, summary, work, status, requested_by, requested_at,
                                          expires_at, decided_at, updated_at)
                   VALUES (?1, 'org', 'command', '{}', '{}', ?2, 'user', 0, 0, ?3, 0)";
        let decided = NOW - HISTORY_RETENTION;
        run(&db, sql, &["decided".into(), "denied".into(), decided.into()]).await;
        run(&db, sql, &["waiting".into(), "pending_approval".into(), None::<Timestamp>.into()])
            .await;
        let release = "INSERT INTO agent_releases (org_id, version, os, arch, binary_sha256, binary_size, release_notes,
                                                   mandatory, binary_signature, precedence, created_by, created_at,
                                                   awaiting_approval)
                       VALUES ('org', '1.0.0', 'linux', 'amd64', printf('%064d', 0), 1, '', 1, printf('%0128d', 0),
                               'p', 'user', ?1, 'withholding')";
        run(&db, release, &[decided.into()]).await;
        let deny =
            "UPDATE approvals SET status = 'denied', decided_at = ?1 WHERE id = 'withholding'";
        run(&db, deny, &[decided.into()]).await;
        assert_eq!(delete_approvals(&db, NOW, 10).await.unwrap(), 0);
        assert_eq!(delete_approvals(&db, Timestamp(NOW.0 + 1), 10).await.unwrap(), 1);
        assert_eq!(integer(&db, "SELECT count(*) FROM approvals").await, Some(2));
    }

    #[tokio::test]
    async fn deletions_read_their_indexes() {
        plan(async |db| drop(delete_events(db, NOW, 10).await)).await.uses("agent_events_by_age");
        plan(async |db| drop(delete_agent_days(db, NOW, 10).await)).await.uses("agent_days_by_age");
        plan(async |db| drop(delete_fleet_days(db, NOW, 10).await)).await.uses("fleet_days_by_age");
        plan(async |db| drop(delete_invitations(db, NOW, 10).await))
            .await
            .uses("invitations_by_age");
        plan(async |db| drop(delete_approvals(db, NOW, 10).await))
            .await
            .uses("approvals_by_age")
            .uses("agent_releases_awaiting");
        plan(async |db| drop(delete_enrollment_tokens(db, NOW, 10).await))
            .await
            .uses("enrollment_tokens_by_expiry");
        plan(async |db| drop(delete_hourly_averages(db, NOW, 10).await))
            .await
            .uses("heartbeat_hourly_by_age");
        plan(async |db| drop(delete_sessions(db, NOW, 10).await))
            .await
            .uses("sessions_by_age")
            .uses("rotated_refresh_tokens_by_session");
        plan(async |db| drop(delete_refresh_tokens(db, NOW, 10).await))
            .await
            .uses("rotated_refresh_tokens_by_age")
            .never_scans();
        plan(async |db| drop(delete_device_logins(db, NOW, 10).await))
            .await
            .uses("device_logins_by_age");
    }
}

//! What the passing of time does to agents, in bounded batches.

use domain::{
    agents::{HISTORY_RETENTION, OFFLINE_AFTER},
    time::Timestamp,
};

use crate::{Db, Error, length};

/// Notes that active agents went silent, once until they are heard of again. A trigger tells why.
///
/// Goes through the organisations one by one: presence has no index but that of their lists.
pub async fn record_silence(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "WITH RECURSIVE organisations (id) AS (
                 SELECT min(org_id) FROM agents
                  UNION ALL
                 SELECT (SELECT min(org_id) FROM agents WHERE org_id > organisations.id)
                   FROM organisations WHERE organisations.id IS NOT NULL)
             UPDATE agents
                SET offline_at = ?1
              WHERE id IN (SELECT silent.id
                             FROM organisations CROSS JOIN agents AS silent
                            WHERE silent.org_id = organisations.id AND silent.last_heartbeat_at < ?2
                              AND silent.offline_at IS NULL AND silent.status = 'active'
                            LIMIT ?3)
          RETURNING 1",
            &[now.into(), (now - OFFLINE_AFTER).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Deletes samples past [`HISTORY_RETENTION`].
pub async fn delete_old_samples(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "DELETE FROM heartbeat_history
              WHERE (agent_id, bucket_at) IN (SELECT agent_id, bucket_at FROM heartbeat_history
                                               WHERE bucket_at < ?1 ORDER BY bucket_at LIMIT ?2)
          RETURNING 1",
            &[(now - HISTORY_RETENTION).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

#[cfg(test)]
mod tests {
    use domain::time::Span;

    use super::*;
    use crate::{
        fixtures::{
            NOW, agent, events, integer, last_details, other_agent, plan, run, update_agent,
        },
        native::Memory,
    };

    async fn seen_now() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        update_agent(&db, "last_heartbeat_at", NOW).await;
        db
    }

    #[tokio::test]
    async fn silence_is_noted_once() {
        let db = seen_now().await;
        assert_eq!(record_silence(&db, NOW + Span::seconds(180), 10).await.unwrap(), 0);
        let after = Timestamp(NOW.0 + 180_001);
        assert_eq!(record_silence(&db, after, 10).await.unwrap(), 1);
        assert_eq!(record_silence(&db, after, 10).await.unwrap(), 0);
        assert_eq!(events(&db).await.last().unwrap(), "went_offline");
        assert_eq!(last_details(&db).await, "{}");
    }

    #[tokio::test]
    async fn silence_is_explained_by_the_last_heartbeat() {
        for (system, cause) in [
            (r#"{"cpu_percent":99,"memory_mb":95,"disk_free_mb":99}"#, Some("disk_pressure")),
            (
                r#"{"cpu_percent":99,"memory_mb":91,"total_memory_mb":100,"disk_free_mb":100}"#,
                Some("memory_pressure"),
            ),
            (r#"{"cpu_percent":99,"memory_mb":90,"total_memory_mb":100,"disk_free_mb":100}"#, None),
            (r#"{"cpu_percent":96,"memory_mb":91,"disk_free_mb":100}"#, Some("cpu_saturation")),
            (r#"{"cpu_percent":95,"memory_mb":91,"disk_free_mb":100}"#, None),
        ] {
            let db = seen_now().await;
            update_agent(&db, "last_heartbeat", format!(r#"{{"system":{system}}}"#)).await;
            record_silence(&db, NOW + Span::seconds(181), 10).await.unwrap();
            let probable = "SELECT details ->> 'probable_cause' FROM agent_events WHERE event_type = 'went_offline'";
            assert_eq!(crate::fixtures::text(&db, probable).await.as_deref(), cause, "{system}");
        }
    }

    #[tokio::test]
    async fn only_active_agents_that_were_heard_of_go_silent_a_batch_at_a_time() {
        let db = seen_now().await;
        for id in ["a2", "a3", "a4"] {
            other_agent(&db, id, "org", id).await;
        }
        run(&db, "UPDATE agents SET last_heartbeat_at = 0 WHERE id IN ('a2', 'a3')", &[]).await;
        run(&db, "UPDATE agents SET status = 'disabled' WHERE id = 'a3'", &[]).await;
        let after = NOW + Span::seconds(181);
        assert_eq!(record_silence(&db, after, 1).await.unwrap(), 1);
        assert_eq!(integer(&db, "SELECT count(offline_at) FROM agents").await, Some(1));
        assert_eq!(record_silence(&db, after, 10).await.unwrap(), 1);
        assert_eq!(record_silence(&db, after, 10).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn silence_is_noted_in_every_organisation() {
        let db = seen_now().await;
        for (id, org) in [("a2", "another"), ("a3", "third"), ("a4", "third"), ("a5", "fourth")] {
            other_agent(&db, id, org, id).await;
        }
        let seen = "UPDATE agents SET last_heartbeat_at = ?1 WHERE id IN ('a2', 'a3')";
        run(&db, seen, &[NOW.into()]).await;
        let after = NOW + Span::seconds(181);
        assert_eq!(record_silence(&db, after, 10).await.unwrap(), 3);
        let silent = "SELECT group_concat(id) FROM (SELECT id FROM agents WHERE offline_at = ?1 ORDER BY id)";
        let silent = silent.replace("?1", &after.0.to_string());
        assert_eq!(crate::fixtures::text(&db, &silent).await.as_deref(), Some("a1,a2,a3"));
        assert_eq!(record_silence(&Memory::migrated(), after, 10).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn samples_are_kept_for_thirty_days() {
        let db = seen_now().await;
        for days in [0, 29, 30, 31] {
            let bucket = (NOW - Span::days(days)).0 / 300_000 * 300_000;
            run(
                &db,
                "INSERT OR IGNORE INTO heartbeat_history (agent_id, bucket_at, recorded_at) VALUES ('a1', ?1, ?1)",
                &[bucket.into()],
            )
            .await;
        }
        let now = Timestamp(NOW.0 / 300_000 * 300_000);
        assert_eq!(delete_old_samples(&db, now, 10).await.unwrap(), 1);
        assert_eq!(delete_old_samples(&db, Timestamp(now.0 + 1), 10).await.unwrap(), 1);
        assert_eq!(delete_old_samples(&db, now, 10).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn sweeps_read_their_indexes() {
        plan(async |db| drop(record_silence(db, NOW, 10).await))
            .await
            .uses("agents_by_org")
            .never_scans();
        plan(async |db| drop(delete_old_samples(db, NOW, 10).await))
            .await
            .uses("heartbeat_history_by_age")
            .never_scans();
    }
}

//! `agents` as they tell us of themselves: one statement per heartbeat.
//!
//! Its history sample and the events that follow from it are triggers of that statement.

use domain::{
    devices::Presented,
    rate_limit::{Budget, DEVICE},
    time::Timestamp,
};

use crate::{
    Db, Error, Row,
    devices::{authenticated, budget, counted, guard, within_budget},
};

#[derive(Debug, Clone, Copy)]
pub struct Heartbeat<'a> {
    pub agent_version: &'a str,
    /// JSON, kept as it is.
    pub body: &'a str,
    /// JSON: details of a `came_online` event, should this heartbeat be one.
    pub reconnect: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub budget: Budget,
    /// The key to adopt, sealed, while a rotation is pending.
    pub pending_key: Option<Vec<u8>>,
}

/// Records a heartbeat that came now.
///
/// `None` when the key does not open or the budget is spent; nothing was recorded then.
pub async fn record_heartbeat(
    db: &impl Db,
    device: &Presented,
    heartbeat: Heartbeat<'_>,
    now: Timestamp,
) -> Result<Option<Recorded>, Error> {
    let mut params = guard(device, DEVICE, now);
    params.extend([
        heartbeat.agent_version.into(),
        heartbeat.body.into(),
        heartbeat.reconnect.into(),
    ]);
    let rows = db
        .query(
            concat!(
                "UPDATE agents
                    SET last_heartbeat_at = ?3, updated_at = ?3, offline_at = NULL,
                        agent_version = ?6, last_heartbeat = ?7, reconnect = ?8, ",
                counted!(),
                " WHERE ",
                authenticated!(),
                " AND ",
                within_budget!(),
                " RETURNING budget_used, budget_started_at, pending_key_sealed"
            ),
            &params,
        )
        .await?;
    rows.into_iter().next().map(|row| decode(row, now)).transpose()
}

fn decode(mut row: Row, now: Timestamp) -> Result<Recorded, Error> {
    Ok(Recorded { budget: budget(&mut row, 0, DEVICE, now)?, pending_key: row.optional_blob(2)? })
}

#[cfg(test)]
mod tests {
    use domain::time::Span;

    use super::*;
    use crate::{
        fixtures::{
            NOW, agent, device, events, integer, last_details, plan, run, start_rotation, text,
            update_agent,
        },
        native::Memory,
    };

    const BODY: &str = r#"{"status":"idle","system":{"cpu_percent":25,"memory_mb":6120,"disk_free_mb":81234,"uptime_seconds":91234}}"#;

    async fn beat(db: &Memory, now: Timestamp) -> Option<Recorded> {
        beat_with(db, r#"{"reconnect_reason":"unknown"}"#, "1.0.0", now).await
    }

    async fn beat_with(
        db: &Memory,
        reconnect: &str,
        agent_version: &str,
        now: Timestamp,
    ) -> Option<Recorded> {
        let heartbeat = Heartbeat { agent_version, body: BODY, reconnect };
        record_heartbeat(db, &device("key"), heartbeat, now).await.unwrap()
    }

    async fn known() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        db
    }

    #[tokio::test]
    async fn a_heartbeat_is_recorded_as_it_came() {
        let db = known().await;
        let recorded = beat(&db, NOW).await.unwrap();
        assert_eq!((recorded.budget.remaining, recorded.pending_key), (29, None));
        assert_eq!(integer(&db, "SELECT last_heartbeat_at FROM agents").await, Some(NOW.0));
        assert_eq!(text(&db, "SELECT last_heartbeat FROM agents").await.as_deref(), Some(BODY));
    }

    #[tokio::test]
    async fn the_first_heartbeat_and_one_after_silence_come_online() {
        let db = known().await;
        beat(&db, NOW).await;
        assert_eq!(events(&db).await, ["enrolled", "came_online"]);
        beat(&db, NOW + Span::seconds(179)).await;
        assert_eq!(events(&db).await.len(), 2);
        beat(&db, NOW + Span::seconds(359)).await;
        assert_eq!(events(&db).await, ["enrolled", "came_online", "came_online"]);
        assert_eq!(last_details(&db).await, r#"{"reconnect_reason":"unknown"}"#);
    }

    #[tokio::test]
    async fn a_restart_is_explained_by_the_silence_before_it() {
        let db = known().await;
        let starved = r#"{"system":{"disk_free_mb":50}}"#;
        update_agent(&db, "last_heartbeat_at", NOW).await;
        update_agent(&db, "last_heartbeat", starved).await;
        update_agent(&db, "offline_at", NOW + Span::seconds(180)).await;
        let restarted = r#"{"reconnect_reason":"service_restart"}"#;
        beat_with(&db, restarted, "1.0.0", NOW + Span::seconds(200)).await;
        let explained =
            r#"{"reconnect_reason":"service_restart","probable_cause":"disk_pressure"}"#;
        assert_eq!(last_details(&db).await, explained);
        assert_eq!(integer(&db, "SELECT offline_at FROM agents").await, None);
    }

    #[tokio::test]
    async fn a_new_version_is_an_event() {
        let db = known().await;
        beat(&db, NOW).await;
        beat_with(&db, "{}", "1.0.1", NOW).await;
        assert_eq!(events(&db).await.last().unwrap(), "version_updated");
        assert_eq!(last_details(&db).await, r#"{"from":"1.0.0","to":"1.0.1"}"#);
    }

    #[tokio::test]
    async fn history_keeps_one_sample_of_five_minutes() {
        let db = known().await;
        for seconds in [0, 60, 299, 300] {
            beat(&db, NOW + Span::seconds(seconds)).await;
        }
        let samples =
            run(&db, "SELECT cpu_percent, uptime_seconds FROM heartbeat_history", &[]).await;
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0], Row::new(vec![crate::Value::Real(25.0), 91_234_i64.into()]));
    }

    #[tokio::test]
    async fn a_pending_key_is_handed_out_again_and_again() {
        let db = known().await;
        start_rotation(&db, "next").await;
        for _ in 0..2 {
            assert_eq!(beat(&db, NOW).await.unwrap().pending_key, Some(vec![0]));
        }
    }

    #[tokio::test]
    async fn nothing_is_recorded_for_a_stranger_or_over_budget() {
        let db = known().await;
        let heartbeat = Heartbeat { agent_version: "2", body: "{}", reconnect: "{}" };
        let stranger = record_heartbeat(&db, &device("other"), heartbeat, NOW).await.unwrap();
        assert_eq!(stranger, None);
        for _ in 0..30 {
            assert!(beat(&db, NOW).await.is_some());
        }
        assert!(beat_with(&db, "{}", "2", NOW).await.is_none());
        let version = text(&db, "SELECT agent_version FROM agents").await;
        assert_eq!(version.as_deref(), Some("1.0.0"));
    }

    /// Every entry that moves costs half as much as all the rest of the statement.
    #[tokio::test]
    async fn a_heartbeat_moves_one_index_entry_and_a_poll_none() {
        let db = Memory::migrated();
        let touched = "SELECT group_concat(DISTINCT index_list.name)
                         FROM pragma_index_list('agents') AS index_list
                         JOIN sqlite_schema ON sqlite_schema.name = index_list.name
                         JOIN (SELECT value FROM json_each(?1)) AS changed
                           ON instr(sqlite_schema.sql, changed.value) > 0";
        let indexes = async |columns: &str| {
            let rows = db.query(touched, &[columns.into()]).await.unwrap();
            rows.into_iter().next().unwrap().optional_text(0).unwrap()
        };
        let counted = r#"["budget_", "rejected_since", "polled_at", "offered_task_id"]"#;
        assert_eq!(indexes(counted).await, None);
        let beaten = r#"["heartbeat", "updated_at", "offline_at", "agent_version", "reconnect"]"#;
        assert_eq!(indexes(beaten).await.as_deref(), Some("agents_by_org"));
    }

    #[tokio::test]
    async fn a_heartbeat_scans_nothing() {
        plan(async |db| {
            let heartbeat = Heartbeat { agent_version: "1", body: "{}", reconnect: "{}" };
            drop(record_heartbeat(db, &device("key"), heartbeat, NOW).await);
        })
        .await
        .uses("agent_events_by_type")
        .never_scans();
    }
}

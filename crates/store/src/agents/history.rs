//! What an agent reported and what happened to it: `heartbeat_history` and `agent_events`.

use domain::{
    ids::{AgentId, OrgId},
    time::{Span, Timestamp},
};

use crate::{Db, Error, Row, only};

/// One per five minutes in which the agent reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub recorded_at: Timestamp,
    pub cpu_percent: Option<f64>,
    pub memory_mb: Option<f64>,
    pub total_memory_mb: Option<f64>,
    pub disk_free_mb: Option<f64>,
    pub uptime_seconds: Option<i64>,
    pub process_cpu_percent: Option<f64>,
    pub process_memory_mb: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: u64,
    pub kind: String,
    /// A JSON object.
    pub details: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub kind: Option<&'a str>,
    /// The last event that a reader has seen.
    pub after: Option<(Timestamp, u64)>,
    pub limit: u32,
    pub offset: u32,
}

/// Whether this organisation has the agent.
pub async fn is_known(db: &impl Db, org: &OrgId, id: &AgentId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM agents WHERE id = ?1 AND org_id = ?2)";
    only(db.query(sql, &[id.into(), org.into()]).await?)?.flag(0)
}

/// Oldest first. A month has no more than 8640.
pub async fn list_samples(
    db: &impl Db,
    id: &AgentId,
    days: u32,
    now: Timestamp,
) -> Result<Vec<Sample>, Error> {
    let since = now - Span::days(days.into());
    let rows = db
        .query(
            "SELECT recorded_at, cpu_percent, memory_mb, total_memory_mb, disk_free_mb, uptime_seconds,
                    process_cpu_percent, process_memory_mb
               FROM heartbeat_history
              WHERE agent_id = ?1 AND bucket_at >= ?2 - 300000 AND recorded_at >= ?2
           ORDER BY bucket_at LIMIT 9000",
            &[id.into(), since.into()],
        )
        .await?;
    rows.into_iter().map(decode_sample).collect()
}

/// Events of an agent, and those of one kind, have an index each.
macro_rules! events {
    ($kind:literal) => {
        concat!(
            "SELECT id, event_type, details, created_at
               FROM agent_events
              WHERE agent_id = ?1 ",
            $kind,
            "AND (created_at, id) < (?3, ?4)
           ORDER BY created_at DESC, id DESC LIMIT ?5 OFFSET ?6"
        )
    };
}

/// Newest first.
pub async fn list_events(
    db: &impl Db,
    id: &AgentId,
    wanted: Wanted<'_>,
) -> Result<Vec<Event>, Error> {
    let sql = match wanted.kind {
        Some(_) => events!("AND event_type = ?2 "),
        None => events!("AND ?2 IS NULL "),
    };
    let params = [
        id.into(),
        wanted.kind.into(),
        wanted.after.map_or(i64::MAX, |it| it.0.0).into(),
        wanted.after.map_or(i64::MAX.unsigned_abs(), |it| it.1).into(),
        wanted.limit.into(),
        wanted.offset.into(),
    ];
    db.query(sql, &params).await?.into_iter().map(decode_event).collect()
}

pub async fn count_events(db: &impl Db, id: &AgentId, kind: Option<&str>) -> Result<u64, Error> {
    let sql = match kind {
        Some(_) => "SELECT count(*) FROM agent_events WHERE agent_id = ?1 AND event_type = ?2",
        None => "SELECT count(*) FROM agent_events WHERE agent_id = ?1 AND ?2 IS NULL",
    };
    only(db.query(sql, &[id.into(), kind.into()]).await?)?.integer(0)
}

fn decode_sample(mut row: Row) -> Result<Sample, Error> {
    Ok(Sample {
        recorded_at: row.timestamp(0)?,
        cpu_percent: row.optional_real(1)?,
        memory_mb: row.optional_real(2)?,
        total_memory_mb: row.optional_real(3)?,
        disk_free_mb: row.optional_real(4)?,
        uptime_seconds: row.optional_integer(5)?,
        process_cpu_percent: row.optional_real(6)?,
        process_memory_mb: row.optional_real(7)?,
    })
}

fn decode_event(mut row: Row) -> Result<Event, Error> {
    Ok(Event {
        id: row.integer(0)?,
        kind: row.text(1)?,
        details: row.text(2)?,
        created_at: row.timestamp(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{NOW, agent, other_agent, plan, run, update_agent},
        native::Memory,
    };

    #[tokio::test]
    async fn a_history_is_ascending_and_ends_at_its_window() {
        // D2 476, 477
        let db = Memory::migrated();
        agent(&db, "key").await;
        assert!(list_samples(&db, &"a1".into(), 7, NOW).await.unwrap().is_empty());
        let body = r#"{"system":{"cpu_percent":25.5,"memory_mb":4096,"disk_free_mb":50000,"uptime_seconds":3600}}"#;
        update_agent(&db, "last_heartbeat", body).await;
        for days in [8, 6, 0] {
            update_agent(&db, "last_heartbeat_at", NOW - Span::days(days)).await;
        }
        let samples = list_samples(&db, &"a1".into(), 7, NOW).await.unwrap();
        let at: Vec<_> = samples.iter().map(|it| it.recorded_at).collect();
        assert_eq!(at, [NOW - Span::days(6), NOW]);
        let sample = &samples[0];
        assert_eq!((sample.cpu_percent, sample.memory_mb), (Some(25.5), Some(4096.0)));
        assert_eq!((sample.uptime_seconds, sample.total_memory_mb), (Some(3600), None));
    }

    #[tokio::test]
    async fn events_are_newest_first_and_pages_of_them_meet() {
        // D1 475
        let db = Memory::migrated();
        agent(&db, "key").await;
        other_agent(&db, "a2", "org", "k2").await;
        let add =
            "INSERT INTO agent_events (agent_id, event_type, created_at) VALUES ('a1', ?1, ?2)";
        for (kind, at) in [("key_rotated", 5), ("came_online", 7), ("came_online", 7)] {
            run(&db, add, &[kind.into(), (NOW + Span::seconds(at)).into()]).await;
        }
        let all = Wanted { kind: None, after: None, limit: 9, offset: 0 };
        let list = async |wanted| list_events(&db, &"a1".into(), wanted).await.unwrap();
        let whole = list(all).await;
        let kinds: Vec<_> = whole.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["came_online", "came_online", "key_rotated", "enrolled"]);
        let mut walked = Vec::new();
        let mut wanted = Wanted { limit: 1, ..all };
        while let Some(event) = list(wanted).await.pop() {
            wanted.after = Some((event.created_at, event.id));
            walked.push(event);
        }
        assert_eq!(walked, whole);
        assert_eq!(list(Wanted { offset: 3, ..all }).await, whole[3..]);
        assert_eq!(list(Wanted { kind: Some("enrolled"), ..all }).await, whole[3..]);
        assert_eq!(count_events(&db, &"a1".into(), None).await.unwrap(), 4);
        assert_eq!(count_events(&db, &"a1".into(), Some("came_online")).await.unwrap(), 2);
        assert!(!is_known(&db, &"other".into(), &"a1".into()).await.unwrap());
    }

    #[tokio::test]
    async fn a_history_is_read_by_its_agent() {
        plan(async |db| drop(list_samples(db, &"a1".into(), 7, NOW).await)).await.never_scans();
        for (kind, index) in
            [(Some("enrolled"), "agent_events_by_type"), (None, "agent_events_by_agent")]
        {
            let wanted = Wanted { kind, after: None, limit: 1, offset: 0 };
            let listed = plan(async |db| drop(list_events(db, &"a1".into(), wanted).await)).await;
            listed.uses(index).never_scans();
            let counted = plan(async |db| drop(count_events(db, &"a1".into(), kind).await)).await;
            counted.never_scans();
            assert_eq!(counted.times("event_type=?"), usize::from(kind.is_some()));
        }
    }
}

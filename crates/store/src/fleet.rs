//! What a whole fleet does: metrics (fleet.md §6.8) and health (§12.3), read from what is counted already.

use domain::{
    health::Window,
    ids::{AgentId, OrgId},
    time::{Span, Timestamp},
};

use crate::{Db, Error, Row, agents::health, only};

pub mod scores;

/// Kinds of one sort are few, but versions are what agents say they are.
const MOST_VERSIONS: u32 = 500;

/// How many agents have a name in common: of a system, a status, a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub name: String,
    pub agents: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of agents that are not gone.
    Os,
    /// Of all agents.
    Status,
    /// Of agents that are not gone; the most common first.
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    pub pending: u64,
    pub in_progress: u64,
    /// Ended within 24 hours.
    pub completed: u64,
    pub failed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    pub active_agents: u64,
    /// Of 30 days.
    pub samples: f64,
    /// Ended within seven days.
    pub completed: u64,
    pub failed: u64,
    /// Failures of 30 days, and when the first and the last of them were.
    pub failures: u64,
    pub first_failure: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    pub average_score: Option<f64>,
    pub stale_agents: u64,
}

pub async fn tallies(db: &impl Db, org: &OrgId, kind: Kind) -> Result<Vec<Tally>, Error> {
    let sql = match kind {
        Kind::Os => {
            "SELECT os, sum(agents) FROM agent_counts
              WHERE org_id = ?1 AND status IN ('active', 'disabled') GROUP BY os ORDER BY os LIMIT ?2"
        }
        Kind::Status => {
            "SELECT status, sum(agents) FROM agent_counts
              WHERE org_id = ?1 GROUP BY status ORDER BY status LIMIT ?2"
        }
        Kind::Version => {
            "SELECT agent_version, sum(agents) AS agents FROM agent_counts
              WHERE org_id = ?1 AND status IN ('active', 'disabled')
           GROUP BY agent_version ORDER BY 2 DESC, agent_version LIMIT ?2"
        }
    };
    let rows = db.query(sql, &[org.into(), MOST_VERSIONS.into()]).await?;
    let tally = |mut row: Row| Ok(Tally { name: row.text(0)?, agents: row.integer(1)? });
    rows.into_iter().map(tally).collect()
}

/// Tasks by what has become of them.
pub async fn work(db: &impl Db, org: &OrgId, now: Timestamp) -> Result<Work, Error> {
    let rows = db
        .query(
            "SELECT (SELECT coalesce(sum(tasks), 0) FROM task_counts WHERE org_id = ?1 AND status = 'pending'),
                    (SELECT coalesce(sum(tasks), 0) FROM task_counts
                      WHERE org_id = ?1 AND status IN ('assigned', 'downloading', 'executing')),
                    (SELECT count(*) FROM tasks WHERE org_id = ?1 AND status = 'completed' AND status IN ('completed', 'failed') AND completed_at > ?2),
                    (SELECT count(*) FROM tasks WHERE org_id = ?1 AND status = 'failed' AND status IN ('completed', 'failed') AND completed_at > ?2)",
            &[org.into(), (now - Span::days(1)).into()],
        )
        .await?;
    let mut row = only(rows)?;
    Ok(Work {
        pending: row.integer(0)?,
        in_progress: row.integer(1)?,
        completed: row.integer(2)?,
        failed: row.integer(3)?,
    })
}

/// How many agents are online: active, and heard of lately.
pub async fn online(db: &impl Db, org: &OrgId, now: Timestamp) -> Result<u64, Error> {
    let filter = crate::agents::list::Filter { online_only: true, ..Default::default() };
    Ok(crate::agents::list::count(db, org, &filter, now).await?.total)
}

/// The end of a task that counts, as the partial index `tasks_by_end` has it.
macro_rules! ended {
    ($what:literal, $status:literal, $since:literal) => {
        concat!(
            "(SELECT ",
            $what,
            " FROM tasks WHERE org_id = ?1 AND status = '",
            $status,
            "' AND status IN ('completed', 'failed') AND completed_at > ",
            $since,
            ")"
        )
    };
}

/// All but the mean score is counted already, or read from a narrow index.
pub async fn health(db: &impl Db, org: &OrgId, now: Timestamp) -> Result<Health, Error> {
    let (week, month) = (Window::week(now), Window::days(30, now));
    let rows = db
        .query(
            concat!(
                "SELECT (SELECT coalesce(sum(agents), 0) FROM agent_counts WHERE org_id = ?1 AND status = 'active'),
                        (SELECT count(*) FROM ",
                health::idle_agents!("?2"),
                "), (SELECT coalesce(sum(samples * iif(day = ?4, ?5, 1.0)), 0.0) FROM fleet_days
                      WHERE org_id = ?1 AND day >= ?4), ",
                ended!("count(*)", "completed", "?2"),
                ", ",
                ended!("count(*)", "failed", "?2"),
                ", ",
                ended!("count(*)", "failed", "?3"),
                ", ",
                ended!("min(completed_at)", "failed", "?3"),
                ", ",
                ended!("max(completed_at)", "failed", "?3")
            ),
            &[
                org.into(),
                week.since.into(),
                month.since.into(),
                month.first_day.into(),
                month.first_share.into(),
            ],
        )
        .await?;
    let mut row = only(rows)?;
    let active_agents = row.integer(0)?;
    Ok(Health {
        active_agents,
        average_score: scores::average(db, org, active_agents, now).await?,
        stale_agents: row.integer(1)?,
        samples: row.optional_real(2)?.unwrap_or_default(),
        completed: row.integer(3)?,
        failed: row.integer(4)?,
        failures: row.integer(5)?,
        first_failure: row.optional_timestamp(6)?,
        last_failure: row.optional_timestamp(7)?,
    })
}

/// Stale agents, by the hour of the last test that they completed: who never did comes first.
pub async fn list_stale(
    db: &impl Db,
    org: &OrgId,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<AgentId>, Error> {
    let rows = db
        .query(
            concat!(
                "SELECT id FROM ",
                health::idle_agents!("?2"),
                " ORDER BY completed_hour, rowid LIMIT ?3"
            ),
            &[org.into(), Window::week(now).since.into(), limit.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| Ok(AgentId(row.text(0)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{NOW, agent, other_agent, plan, run, task_of},
        native::Memory,
    };

    /// `a1` online, `a2` silent, `a3` disabled, `a4` gone, one of another organisation.
    async fn fleet() -> Memory {
        let db = Memory::migrated();
        agent(&db, "k1").await;
        for id in ["a2", "a3", "a4"] {
            other_agent(&db, id, "org", id).await;
        }
        other_agent(&db, "foreign", "other", "k").await;
        for (id, ago) in [("a1", 10), ("a2", 300), ("a3", 10), ("foreign", 1)] {
            let sql = "UPDATE agents SET last_heartbeat_at = ?2 WHERE id = ?1";
            run(&db, sql, &[id.into(), (NOW - Span::seconds(ago)).into()]).await;
        }
        run(&db, "UPDATE agents SET status = 'disabled' WHERE id = 'a3'", &[]).await;
        run(&db, "UPDATE agents SET status = 'decommissioned' WHERE id = 'a4'", &[]).await;
        run(&db, "UPDATE agents SET agent_version = '1.1.0' WHERE id = 'a2'", &[]).await;
        db
    }

    async fn end(db: &Memory, id: &str, agent: &str, status: &str, hours_ago: i64) {
        task_of(db, id, agent, "executing").await;
        let sql =
            "UPDATE tasks SET status = ?2, ended_by = 'result', completed_at = ?3 WHERE id = ?1";
        run(db, sql, &[id.into(), status.into(), (NOW - Span::hours(hours_ago)).into()]).await;
    }

    #[tokio::test]
    async fn agents_are_counted_by_what_they_are() {
        // A10 118, 119, 122
        let db = fleet().await;
        let org = "org".into();
        let shown = async |kind| {
            let tallies = tallies(&db, &org, kind).await.unwrap();
            tallies.into_iter().map(|it| format!("{} {}", it.name, it.agents)).collect::<Vec<_>>()
        };
        assert_eq!(shown(Kind::Os).await, ["linux 3"]);
        assert_eq!(shown(Kind::Status).await, ["active 2", "decommissioned 1", "disabled 1"]);
        assert_eq!(shown(Kind::Version).await, ["1.0.0 2", "1.1.0 1"]);
        assert_eq!(online(&db, &org, NOW).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn work_of_the_last_day_is_counted() {
        // A10 120, 121
        let db = fleet().await;
        for (id, status, hours) in
            [("t1", "completed", 2), ("t2", "failed", 2), ("t3", "completed", 48)]
        {
            end(&db, id, "a1", status, hours).await;
        }
        end(&db, "t4", "foreign", "completed", 2).await;
        task_of(&db, "t5", "a1", "executing").await;
        task_of(&db, "t6", "a1", "pending").await;
        let work = work(&db, &"org".into(), NOW).await.unwrap();
        assert_eq!(work, Work { pending: 1, in_progress: 1, completed: 1, failed: 1 });
    }

    #[tokio::test]
    async fn an_empty_fleet_has_no_health_and_no_failures() {
        // D2 482
        let db = Memory::migrated();
        let health = health(&db, &"org".into(), NOW).await.unwrap();
        assert_eq!((health.active_agents, health.failures, health.stale_agents), (0, 0, 0));
        assert_eq!((health.average_score, health.first_failure), (None, None));
        assert!(list_stale(&db, &"org".into(), 9, NOW).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_completed_nothing_for_a_week_is_stale() {
        // D2 483, 484
        let db = fleet().await;
        let org = "org".into();
        let stale = async || {
            let health = health(&db, &org, NOW).await.unwrap();
            let ids = list_stale(&db, &org, 9, NOW).await.unwrap();
            assert_eq!(health.stale_agents, ids.len() as u64);
            ids.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(stale().await, ["a1", "a2"]);
        end(&db, "t1", "a1", "completed", 24).await;
        end(&db, "t2", "a2", "failed", 10).await;
        end(&db, "t3", "a2", "failed", 13).await;
        assert_eq!(stale().await, ["a2"]);
        let health = health(&db, &org, NOW).await.unwrap();
        assert_eq!((health.completed, health.failed, health.failures), (1, 2, 2));
        let gap = |it: Health| it.last_failure.unwrap().0 - it.first_failure.unwrap().0;
        assert_eq!(gap(health), Span::hours(3).as_millis());
        assert!(health.average_score.is_some_and(|it| it > 0.0));
    }

    #[tokio::test]
    async fn a_week_ends_to_the_millisecond() {
        let db = fleet().await;
        let org = "org".into();
        end(&db, "t1", "a1", "completed", 7 * 24).await;
        end(&db, "t2", "a2", "completed", 7 * 24).await;
        let stale = async |now| {
            let count = health(&db, &org, now).await.unwrap().stale_agents;
            assert_eq!(list_stale(&db, &org, 9, now).await.unwrap().len() as u64, count);
            count
        };
        assert_eq!(stale(Timestamp(NOW.0 - 1)).await, 0);
        assert_eq!(stale(NOW).await, 2);
        end(&db, "t3", "a1", "completed", 7 * 24 - 1).await;
        assert_eq!((stale(NOW).await, stale(NOW + Span::hours(1)).await), (1, 2));
    }

    #[tokio::test]
    async fn who_was_never_heard_of_is_not_stale() {
        let db = fleet().await;
        other_agent(&db, "a5", "org", "k5").await;
        let org = "org".into();
        assert_eq!(health(&db, &org, NOW).await.unwrap().stale_agents, 2);
        let beat = "UPDATE agents SET last_heartbeat_at = ?1 WHERE id = 'a5'";
        run(&db, beat, &[NOW.into()]).await;
        assert_eq!(health(&db, &org, NOW).await.unwrap().stale_agents, 3);
    }

    #[tokio::test]
    async fn figures_read_no_more_than_they_count() {
        let org = "org".into();
        for kind in [Kind::Os, Kind::Status, Kind::Version] {
            plan(async |db| drop(tallies(db, &org, kind).await))
                .await
                .never_reads_an_organisation();
        }
        let work = plan(async |db| drop(work(db, &org, NOW).await)).await;
        work.never_scans().never_reads_an_organisation();
        assert_eq!(work.times("tasks_by_end (org_id=? AND status=? AND completed_at>?)"), 2);
        let health = plan(async |db| drop(health(db, &org, NOW).await)).await;
        health.uses("agents_idle").never_scans().never_reads_an_organisation();
        assert_eq!(health.times("tasks_by_end (org_id=? AND status=? AND completed_at>?)"), 5);
        plan(async |db| drop(list_stale(db, &org, 1, NOW).await))
            .await
            .uses("agents_idle")
            .never_scans()
            .never_reads_an_organisation();
        let online = plan(async |db| drop(online(db, &org, NOW).await)).await;
        online.never_scans().never_reads_an_organisation();
        assert_eq!(
            online.times("COVERING INDEX agents_by_org (org_id=? AND last_heartbeat_at>?)"),
            1
        );
    }
}

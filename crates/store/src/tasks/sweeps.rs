//! What the passing of time does to tasks: bounded batches, each a compare-and-set that a report
//! which came first makes miss.

use domain::{agents, time::Timestamp};

use crate::{Db, Error, length};

/// Expires tasks that nobody started within their time to live (strictly).
pub async fn expire(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET status = 'expired', ended_by = 'sweep', overdue_at = NULL
              WHERE id IN (SELECT id FROM tasks
                            WHERE status IN ('pending', 'assigned') AND expires_at < ?1
                         ORDER BY expires_at LIMIT ?2)
          RETURNING 1",
            &[now.into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Fails running tasks whose agent was never heard of, or not for [`agents::LOST_AFTER`].
///
/// Walks the index of running tasks, of which an agent has one.
pub async fn fail_stale(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET status = 'failed', ended_by = 'sweep', failure_reason = 'agent_offline',
                    completed_at = ?1, overdue_at = NULL,
                    result = json_object('error', 'Agent went offline during execution',
                                         'exit_code', -1, 'stdout', '',
                                         'stderr', 'Agent went offline during execution',
                                         'execution_duration_ms', 0)
              WHERE id IN (SELECT running.id
                             FROM tasks AS running JOIN agents ON agents.id = running.agent_id
                            WHERE running.status IN ('downloading', 'executing')
                              AND (agents.last_heartbeat_at IS NULL OR agents.last_heartbeat_at < ?2)
                            LIMIT ?3)
          RETURNING 1",
            &[now.into(), (now - agents::LOST_AFTER).into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

/// Fails tasks whose present step lasted longer than it may.
pub async fn fail_overdue(db: &impl Db, now: Timestamp, at_most: u32) -> Result<u32, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET status = 'failed', ended_by = 'sweep', failure_reason = 'execution_timeout_exceeded',
                    completed_at = ?1, overdue_at = NULL,
                    result = json_object('error', 'Task exceeded execution timeout',
                                         'exit_code', -1, 'stdout', '',
                                         'stderr', 'Task exceeded execution timeout',
                                         'execution_duration_ms', 0)
              WHERE id IN (SELECT id FROM tasks
                            WHERE status IN ('assigned', 'downloading', 'executing') AND overdue_at < ?1
                         ORDER BY overdue_at LIMIT ?2)
          RETURNING 1",
            &[now.into(), at_most.into()],
        )
        .await?;
    Ok(length(&rows))
}

#[cfg(test)]
mod tests {
    use domain::time::Span;

    use super::*;
    use crate::{
        fixtures::{NOW, agent, last_details, plan, run, task, text, update_agent},
        native::Memory,
    };

    async fn with_tasks(statuses: &[&str]) -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        for status in statuses {
            task(&db, status, status).await;
        }
        db
    }

    async fn ids(db: &Memory, status: &str) -> Vec<String> {
        let sql = "SELECT id FROM tasks WHERE status = ?1 ORDER BY id";
        let rows = run(db, sql, &[status.into()]).await;
        rows.into_iter().map(|mut row| row.text(0).unwrap()).collect()
    }

    /// fleet.md §12.4
    fn outcome(error: &str) -> String {
        format!(
            r#"{{"error":"{error}","exit_code":-1,"stdout":"","stderr":"{error}","execution_duration_ms":0}}"#
        )
    }

    #[tokio::test]
    async fn waiting_tasks_expire_after_their_time_to_live() {
        let db = with_tasks(&["pending", "assigned", "downloading", "executing"]).await;
        let end = NOW + Span::days(1);
        assert_eq!(expire(&db, end, 10).await.unwrap(), 0);
        let after = Timestamp(end.0 + 1);
        assert_eq!(expire(&db, after, 1).await.unwrap(), 1);
        assert_eq!(expire(&db, after, 10).await.unwrap(), 1);
        assert_eq!(expire(&db, after, 10).await.unwrap(), 0);
        assert_eq!(ids(&db, "expired").await, ["assigned", "pending"]);
    }

    #[tokio::test]
    async fn running_tasks_of_a_silent_agent_fail() {
        let db = with_tasks(&["pending", "assigned", "downloading", "executing"]).await;
        update_agent(&db, "last_heartbeat_at", NOW).await;
        assert_eq!(fail_stale(&db, NOW + Span::seconds(360), 10).await.unwrap(), 0);
        let after = Timestamp(NOW.0 + 360_001);
        assert_eq!(fail_stale(&db, after, 10).await.unwrap(), 2);
        assert_eq!(ids(&db, "failed").await, ["downloading", "executing"]);
        let result = text(&db, "SELECT result FROM tasks WHERE id = 'executing'").await;
        let text = "Agent went offline during execution";
        assert_eq!(result.unwrap(), outcome(text));
        let details = r#"{"task_id":"executing","task_type":"execute_test","reason":"agent_offline","retry_created":true,"retry_count":0}"#;
        assert_eq!(last_details(&db).await, details);
    }

    #[tokio::test]
    async fn running_tasks_of_an_agent_that_was_never_heard_of_fail() {
        let db = with_tasks(&["executing"]).await;
        assert_eq!(fail_stale(&db, NOW, 10).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn tasks_that_outlast_their_step_fail() {
        let db = with_tasks(&["pending", "assigned", "downloading", "executing"]).await;
        run(&db, "UPDATE tasks SET overdue_at = ?1 WHERE status <> 'pending'", &[NOW.into()]).await;
        assert_eq!(fail_overdue(&db, NOW, 10).await.unwrap(), 0);
        assert_eq!(fail_overdue(&db, Timestamp(NOW.0 + 1), 10).await.unwrap(), 3);
        let result = text(&db, "SELECT result FROM tasks WHERE id = 'assigned'").await;
        assert_eq!(result.unwrap(), outcome("Task exceeded execution timeout"));
    }

    #[tokio::test]
    async fn a_second_sweep_at_the_same_time_finds_nothing_left() {
        let db = with_tasks(&["executing"]).await;
        assert_eq!(fail_stale(&db, NOW, 10).await.unwrap(), 1);
        assert_eq!(fail_stale(&db, NOW, 10).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn sweeps_read_their_indexes() {
        plan(async |db| drop(expire(db, NOW, 10).await)).await.uses("tasks_expiring").never_scans();
        plan(async |db| drop(fail_overdue(db, NOW, 10).await))
            .await
            .uses("tasks_overdue")
            .never_scans();
        plan(async |db| drop(fail_stale(db, NOW, 10).await)).await.uses("tasks_running");
    }
}

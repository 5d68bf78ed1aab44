//! `tasks` as their agents see them: claiming by poll, and reading one.
//!
//! A poll is an update of the agent, whose trigger assigns the task it chose: two polls at once
//! cannot choose the same one.

use domain::{
    devices::Presented,
    ids::TaskId,
    rate_limit::{Budget, DEVICE},
    tasks::LOST_AFTER,
    time::Timestamp,
};

use crate::{
    Db, Error, Row,
    devices::{authenticated, budget, counted, guard, within_budget},
    tasks::{Task, decode, task_columns},
};

#[cfg(test)]
mod life;
pub mod reports;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    pub budget: Budget,
    pub task: Option<TaskId>,
}

/// Claims the task of highest priority, oldest first, that waits for this agent; a task that was
/// claimed [`LOST_AFTER`] ago is claimed again (D-46).
///
/// `None` when the key does not open or the budget is spent.
pub async fn claim(
    db: &impl Db,
    device: &Presented,
    now: Timestamp,
) -> Result<Option<Polled>, Error> {
    let mut params = guard(device, DEVICE, now);
    params.push((now - LOST_AFTER).into());
    let rows = db
        .query(
            concat!(
                "UPDATE agents
                    SET polled_at = ?3,
                        offered_task_id = (SELECT id FROM tasks
                                            WHERE agent_id = ?1 AND status IN ('pending', 'assigned')
                                              AND (status = 'pending' OR assigned_at <= ?6)
                                              AND expires_at >= ?3 AND not_before <= ?3
                                         ORDER BY priority DESC, created_at, id
                                            LIMIT 1), ",
                counted!(),
                " WHERE ",
                authenticated!(),
                " AND ",
                within_budget!(),
                " RETURNING budget_used, budget_started_at, offered_task_id"
            ),
            &params,
        )
        .await?;
    rows.into_iter().next().map(|row| decode_polled(row, now)).transpose()
}

fn decode_polled(mut row: Row, now: Timestamp) -> Result<Polled, Error> {
    Ok(Polled {
        budget: budget(&mut row, 0, DEVICE, now)?,
        task: row.optional_text(2)?.map(TaskId),
    })
}

/// A task that was claimed, unless somebody ended it since.
pub async fn find_claimed(
    db: &impl Db,
    device: &Presented,
    id: &TaskId,
) -> Result<Option<Task>, Error> {
    let rows = db
        .query(
            concat!(
                "SELECT ",
                task_columns!(),
                " FROM tasks WHERE id = ?1 AND agent_id = ?2 AND status = 'assigned'"
            ),
            &[id.into(), (&device.agent).into()],
        )
        .await?;
    rows.into_iter().next().map(|mut row| decode(&mut row)).transpose()
}

#[cfg(test)]
mod tests {
    use domain::{tasks::TaskStatus, time::Span};

    use super::*;
    use crate::{
        fixtures::{
            NOW, agent, cancel, device, integer, other_agent, plan, run, task, task_of, text,
            update_agent,
        },
        native::Memory,
    };

    async fn fleet() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        db
    }

    async fn poll(db: &Memory, now: Timestamp) -> Option<String> {
        claim(db, &device("key"), now).await.unwrap().unwrap().task.map(|it| it.0)
    }

    async fn prioritise(db: &Memory, id: &str, priority: u8) {
        run(db, "UPDATE tasks SET priority = ?2 WHERE id = ?1", &[id.into(), priority.into()])
            .await;
    }

    #[tokio::test]
    async fn a_poll_assigns_what_it_returns() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        assert_eq!(poll(&db, NOW).await.as_deref(), Some("t1"));
        let found = find_claimed(&db, &device("key"), &"t1".into()).await.unwrap().unwrap();
        assert_eq!((found.status, found.assigned_at), (TaskStatus::Assigned, Some(NOW)));
        let overdue = integer(&db, "SELECT overdue_at FROM tasks").await;
        assert_eq!(overdue, Some(NOW.0 + 420_000));
    }

    #[tokio::test]
    async fn two_polls_never_get_the_same_task() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        task(&db, "t2", "pending").await;
        let polls = [poll(&db, NOW).await, poll(&db, NOW).await, poll(&db, NOW).await];
        assert_eq!(polls, [Some("t1".to_owned()), Some("t2".to_owned()), None]);
    }

    #[tokio::test]
    async fn the_highest_priority_comes_first_and_then_the_oldest() {
        let db = fleet().await;
        for id in ["t1", "t2", "t3"] {
            task(&db, id, "pending").await;
        }
        prioritise(&db, "t3", 10).await;
        run(&db, "UPDATE tasks SET created_at = created_at - 1 WHERE id = 't2'", &[]).await;
        let polls = [poll(&db, NOW).await, poll(&db, NOW).await, poll(&db, NOW).await];
        assert_eq!(polls.map(Option::unwrap), ["t3", "t2", "t1"]);
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_is_given_again_after_twenty_seconds() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        poll(&db, NOW).await;
        assert_eq!(poll(&db, Timestamp(NOW.0 + 19_999)).await, None);
        assert_eq!(poll(&db, NOW + Span::seconds(20)).await.as_deref(), Some("t1"));
        let overdue = integer(&db, "SELECT overdue_at FROM tasks").await;
        assert_eq!(overdue, Some(NOW.0 + 420_000), "offering it again must not buy it time");
    }

    #[tokio::test]
    async fn only_this_agents_waiting_tasks_are_offered() {
        let db = fleet().await;
        other_agent(&db, "a2", "org", "other").await;
        task_of(&db, "t1", "a2", "pending").await;
        for (id, status) in [("t2", "downloading"), ("t3", "executing"), ("t4", "expired")] {
            task(&db, id, status).await;
        }
        assert_eq!(poll(&db, NOW).await, None);
    }

    #[tokio::test]
    async fn a_task_past_its_time_to_live_is_not_offered() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        let end = Timestamp(NOW.0 + 86_400_000);
        assert_eq!(poll(&db, Timestamp(end.0 + 1)).await, None);
        assert_eq!(poll(&db, end).await.as_deref(), Some("t1"));
    }

    #[tokio::test]
    async fn a_stranger_assigns_nothing() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        assert_eq!(claim(&db, &device("other"), NOW).await.unwrap(), None);
        update_agent(&db, "status", "disabled").await;
        assert_eq!(claim(&db, &device("key"), NOW).await.unwrap(), None);
        let status = text(&db, "SELECT status FROM tasks").await;
        assert_eq!(status.as_deref(), Some("pending"));
    }

    #[tokio::test]
    async fn a_task_that_was_cancelled_since_it_was_claimed_is_not_handed_out() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        poll(&db, NOW).await;
        cancel(&db).await;
        assert_eq!(find_claimed(&db, &device("key"), &"t1".into()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_task_that_ended_is_not_revived_by_an_old_offer() {
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        poll(&db, NOW).await;
        cancel(&db).await;
        update_agent(&db, "polled_at", NOW).await;
        let status = text(&db, "SELECT status FROM tasks").await;
        assert_eq!(status.as_deref(), Some("expired"));
    }

    #[tokio::test]
    async fn polling_scans_nothing_and_reads_the_queue_in_order() {
        plan(async |db| {
            drop(claim(db, &device("key"), NOW).await);
            drop(find_claimed(db, &device("key"), &"t1".into()).await);
        })
        .await
        .uses("tasks_offered")
        .never_scans();
    }
}

//! Many tasks at once: one statement does what can be done, a second one says of the rest why not.
//! The entry stands on one row, for all of them, and lists them with the status that they had: `FROM` is
//! read to its end before anything is written.

use domain::{
    ids::{OrgId, TaskId},
    tasks::TaskStatus,
};

use crate::{Db, Error, Row, audit::Entry};

/// Cancels those that have not ended and returns them. `ids` is a JSON array.
pub async fn record_cancellations(
    db: &impl Db,
    org: &OrgId,
    ids: &str,
    entry: &Entry,
) -> Result<Vec<TaskId>, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET status = 'expired', ended_by = 'person', overdue_at = NULL,
                    audit = iif(id = changing.first,
                                json_set(?3, '$.details', json_object('tasks', json(changing.tasks))), NULL)
               FROM (SELECT min(id) AS first, json_group_array(json_object('id', id, 'status', status)) AS tasks
                       FROM tasks
                      WHERE id IN (SELECT value FROM json_each(?1)) AND org_id = ?2
                        AND status IN ('pending', 'assigned', 'downloading', 'executing')) AS changing
              WHERE id IN (SELECT value FROM json_each(?1)) AND org_id = ?2
                AND status IN ('pending', 'assigned', 'downloading', 'executing')
          RETURNING id",
            &[ids.into(), org.into(), entry.into()],
        )
        .await?;
    rows.into_iter().map(id).collect()
}

/// Removes those that exist, whatever their state, and returns them. `ids` is a JSON array.
pub async fn delete(
    db: &impl Db,
    org: &OrgId,
    ids: &str,
    entry: &Entry,
) -> Result<Vec<TaskId>, Error> {
    let rows = db
        .query(
            "UPDATE tasks
                SET removed = 1,
                    audit = iif(id = changing.first,
                                json_set(?3, '$.details', json_object('tasks', json(changing.tasks))), NULL)
               FROM (SELECT min(id) AS first, json_group_array(json_object('id', id, 'status', status)) AS tasks
                       FROM tasks
                      WHERE id IN (SELECT value FROM json_each(?1)) AND org_id = ?2) AS changing
              WHERE id IN (SELECT value FROM json_each(?1)) AND org_id = ?2
          RETURNING id",
            &[ids.into(), org.into(), entry.into()],
        )
        .await?;
    rows.into_iter().map(id).collect()
}

/// The states of those that the organisation has.
pub async fn list_statuses(
    db: &impl Db,
    org: &OrgId,
    ids: &str,
) -> Result<Vec<(TaskId, TaskStatus)>, Error> {
    let rows = db
        .query(
            "SELECT id, status FROM tasks
              WHERE id IN (SELECT value FROM json_each(?1)) AND org_id = ?2",
            &[ids.into(), org.into()],
        )
        .await?;
    rows.into_iter().map(|mut row| Ok((TaskId(row.text(0)?), row.parsed(1)?))).collect()
}

fn id(mut row: Row) -> Result<TaskId, Error> {
    row.text(0).map(TaskId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{agent, entry, integer, other_agent, plan, task, task_of, text},
        native::Memory,
    };

    const ALL: &str = r#"["t1","t2","t3","foreign","nobody"]"#;

    async fn fleet() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        other_agent(&db, "b1", "other", "key2").await;
        task(&db, "t1", "pending").await;
        task(&db, "t2", "executing").await;
        task(&db, "t3", "completed").await;
        task_of(&db, "foreign", "b1", "pending").await;
        db
    }

    fn sorted(mut ids: Vec<TaskId>) -> Vec<String> {
        ids.sort();
        ids.into_iter().map(|it| it.0).collect()
    }

    #[tokio::test]
    async fn what_has_not_ended_is_cancelled_once() {
        let db = fleet().await;
        let org = "org".into();
        let cancelled = record_cancellations(&db, &org, ALL, &entry("task.cancel")).await.unwrap();
        assert_eq!(sorted(cancelled), ["t1", "t2"]);
        assert!(
            record_cancellations(&db, &org, ALL, &entry("task.cancel")).await.unwrap().is_empty()
        );
        assert_eq!(integer(&db, "SELECT count(*) FROM audit_log").await, Some(1));
        let listed = "SELECT group_concat(it) FROM (
                SELECT (value ->> 'id') || ' ' || (value ->> 'status') AS it
                  FROM audit_log, json_each(after, '$.details.tasks') ORDER BY it)";
        assert_eq!(text(&db, listed).await.as_deref(), Some("t1 pending,t2 executing"));
        let mut statuses = list_statuses(&db, &org, ALL).await.unwrap();
        statuses.sort();
        let (expired, completed) = (TaskStatus::Expired, TaskStatus::Completed);
        let expected = [("t1", expired), ("t2", expired), ("t3", completed)];
        assert_eq!(statuses, expected.map(|(id, status)| (id.into(), status)));
    }

    #[tokio::test]
    async fn what_exists_is_deleted_and_nothing_of_others() {
        let db = fleet().await;
        let deleted = delete(&db, &"org".into(), ALL, &entry("task.delete")).await.unwrap();
        assert_eq!(sorted(deleted), ["t1", "t2", "t3"]);
        assert!(delete(&db, &"org".into(), ALL, &entry("task.delete")).await.unwrap().is_empty());
        assert_eq!(list_statuses(&db, &"other".into(), ALL).await.unwrap().len(), 1);
        assert_eq!(integer(&db, "SELECT count(*) FROM audit_log").await, Some(1));
    }

    #[tokio::test]
    async fn each_task_is_looked_up() {
        let org = "org".into();
        plan(async |db| drop(record_cancellations(db, &org, "[]", &entry("task.cancel")).await))
            .await
            .never_scans();
        plan(async |db| drop(delete(db, &org, "[]", &entry("task.delete")).await))
            .await
            .never_scans();
        plan(async |db| drop(list_statuses(db, &org, "[]").await)).await.never_scans();
    }
}

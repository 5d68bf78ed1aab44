//! What the triggers make of a test that time took away (D-21, D-71): a retry, later each time.

use domain::{
    ids::TaskId,
    time::{Span, Timestamp},
};

use super::sweeps;
use crate::{
    fixtures::{NOW, agent, device, integer, last_details, plan, run, task, text, update_agent},
    native::Memory,
    task_queue::{claim, reports},
};

/// A test that runs and whose time is up.
async fn overdue(max_retries: u32) -> Memory {
    let db = Memory::migrated();
    agent(&db, "key").await;
    task(&db, "t1", "executing").await;
    let sql =
        "UPDATE tasks SET overdue_at = ?1, max_retries = ?2, priority = 7, created_by = 'user',
                      target_index = 'achilles-results-x', schedule_id = 's1', occurrence_at = 5";
    run(&db, sql, &[NOW.into(), max_retries.into()]).await;
    db
}

async fn fail(db: &Memory, now: Timestamp) -> u32 {
    sweeps::fail_overdue(db, now, 10).await.unwrap()
}

/// How many tries there are, and how long after `now` the last one may begin.
async fn tries(db: &Memory, now: Timestamp) -> (i64, i64) {
    let count = integer(db, "SELECT count(*) FROM tasks").await.unwrap();
    let begin = integer(db, "SELECT not_before FROM tasks ORDER BY retry_count DESC").await;
    (count, begin.unwrap() - now.0)
}

/// Has the last try begun and run out of time at `now`.
async fn run_out(db: &Memory, now: Timestamp) {
    let sql = "UPDATE tasks SET status = 'executing', overdue_at = ?1 WHERE status = 'pending'";
    run(db, sql, &[now.into()]).await;
    assert_eq!(fail(db, now + Span::seconds(1)).await, 1);
}

#[tokio::test]
async fn a_retry_is_the_same_work_under_another_id() {
    let db = overdue(2).await;
    let later = NOW + Span::seconds(1);
    assert_eq!(fail(&db, later).await, 1);
    let same = "SELECT count(*) FROM tasks AS first JOIN tasks AS retry ON retry.original_task_id = first.id
                 WHERE first.id = 't1' AND retry.status = 'pending' AND retry.retry_count = 1
                   AND retry.result IS NULL AND retry.assigned_at IS NULL
                   AND (first.batch_id, first.payload, first.priority, first.ttl_seconds, first.org_id, first.agent_id,
                        first.created_by, first.target_index, first.max_retries, first.schedule_id,
                        first.execution_timeout_seconds)
                     = (retry.batch_id, retry.payload, retry.priority, retry.ttl_seconds, retry.org_id, retry.agent_id,
                        retry.created_by, retry.target_index, retry.max_retries, retry.schedule_id,
                        retry.execution_timeout_seconds)";
    assert_eq!(integer(&db, same).await, Some(1));
    let id = text(&db, "SELECT id FROM tasks WHERE retry_count = 1").await.unwrap();
    let shape: String =
        id.chars().map(|it| if it.is_ascii_hexdigit() { 'x' } else { it }).collect();
    assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    let (time, rest) = (id[..13].replace('-', ""), &id[14..]);
    assert_eq!(i64::from_str_radix(&time, 16).unwrap(), later.0);
    assert!(rest.starts_with('7') && "89ab".contains(&rest[5..6]), "{id}");
}

#[tokio::test]
async fn each_retry_waits_twice_as_long_and_there_is_a_last_one() {
    let db = overdue(2).await;
    let first = NOW + Span::seconds(1);
    fail(&db, first).await;
    assert_eq!(tries(&db, first).await, (2, 60_000));
    let second = NOW + Span::hours(1);
    run_out(&db, second).await;
    assert_eq!(tries(&db, second + Span::seconds(1)).await, (3, 120_000));
    let sql = "SELECT count(*) FROM tasks WHERE original_task_id = 't1' AND retry_count > 0";
    assert_eq!(integer(&db, sql).await, Some(2));
    run_out(&db, NOW + Span::hours(2)).await;
    assert_eq!(integer(&db, "SELECT count(*) FROM tasks").await, Some(3));
    let details = last_details(&db).await;
    assert!(details.contains(r#""retry_created":false,"retry_count":2"#), "{details}");
}

#[tokio::test]
async fn waiting_is_never_longer_than_an_hour() {
    let db = overdue(5).await;
    run(&db, "UPDATE tasks SET retry_count = 60, max_retries = 61", &[]).await;
    let later = NOW + Span::seconds(1);
    fail(&db, later).await;
    assert_eq!(tries(&db, later).await, (2, 3_600_000));
}

#[tokio::test]
async fn a_silent_agent_finds_the_retry_when_it_comes_back() {
    let db = overdue(1).await;
    assert_eq!(sweeps::fail_stale(&db, NOW, 10).await.unwrap(), 1);
    assert_eq!(tries(&db, NOW).await, (2, 60_000));
}

#[tokio::test]
async fn only_tests_that_time_ended_are_tried_again() {
    for change in [
        "UPDATE tasks SET type = 'execute_command'",
        "UPDATE tasks SET type = 'update_agent'",
        "UPDATE tasks SET type = 'uninstall'",
        "UPDATE tasks SET max_retries = 0",
        "UPDATE agents SET status = 'decommissioned'",
        "UPDATE agents SET status = 'uninstalled'",
    ] {
        let db = overdue(2).await;
        run(&db, change, &[]).await;
        assert_eq!(fail(&db, NOW + Span::seconds(1)).await, 1, "{change}");
        assert_eq!(integer(&db, "SELECT count(*) FROM tasks").await, Some(1), "{change}");
    }
    // The agent says so itself: it ran.
    let db = overdue(2).await;
    let (device, id) = (device("key"), TaskId::from("t1"));
    reports::record_failure(&db, &device, &id, None, NOW).await.unwrap().unwrap();
    assert_eq!(integer(&db, "SELECT count(*) FROM tasks").await, Some(1));
}

#[tokio::test]
async fn a_retry_is_not_offered_before_its_time() {
    let db = overdue(1).await;
    fail(&db, NOW + Span::seconds(1)).await;
    let poll = async |seconds| {
        let now = NOW + Span::seconds(seconds);
        claim(&db, &device("key"), now).await.unwrap().unwrap().task
    };
    assert_eq!(poll(60).await, None);
    assert!(poll(61).await.is_some());
    // Its time to live begins with its time.
    let life =
        integer(&db, "SELECT expires_at - not_before FROM tasks WHERE retry_count = 1").await;
    assert_eq!(life, Some(86_400_000));
}

async fn take_late_result(db: &Memory) {
    let (device, id) = (device("key"), TaskId::from("t1"));
    let taken = reports::record_result(db, &device, &id, "{}", NOW + Span::seconds(9)).await;
    assert!(taken.unwrap().unwrap().task.late);
}

#[tokio::test]
async fn a_late_result_calls_off_the_retry_that_nobody_has_fetched() {
    // D-48
    let db = overdue(1).await;
    fail(&db, NOW + Span::seconds(1)).await;
    take_late_result(&db).await;
    let retry = "SELECT status || ' ' || ended_by || ' ' || failure_reason FROM tasks WHERE retry_count = 1";
    assert_eq!(text(&db, retry).await.as_deref(), Some("expired sweep superseded"));
    assert_eq!(claim(&db, &device("key"), NOW + Span::hours(1)).await.unwrap().unwrap().task, None);
}

#[tokio::test]
async fn a_retry_that_runs_goes_on_beside_a_late_result() {
    for status in ["assigned", "downloading", "executing"] {
        let db = overdue(1).await;
        fail(&db, NOW + Span::seconds(1)).await;
        let sql = "UPDATE tasks SET status = ?1 WHERE retry_count = 1";
        run(&db, sql, &[status.into()]).await;
        take_late_result(&db).await;
        let kept = text(&db, "SELECT status FROM tasks WHERE retry_count = 1").await;
        assert_eq!(kept.as_deref(), Some(status));
    }
}

#[tokio::test]
async fn an_agent_that_is_gone_leaves_no_retry_behind() {
    let db = overdue(1).await;
    fail(&db, NOW + Span::seconds(1)).await;
    update_agent(&db, "status", "decommissioned").await;
    let left = "SELECT count(*) FROM tasks WHERE status = 'pending'";
    assert_eq!(integer(&db, left).await, Some(0));
}

#[tokio::test]
async fn neither_retries_nor_their_end_scan_anything() {
    plan(async |db| drop(sweeps::fail_overdue(db, NOW, 1).await))
        .await
        .uses("tasks_retried")
        .never_scans();
    let (device, id) = (device("key"), TaskId::from("t1"));
    plan(async |db| drop(reports::record_result(db, &device, &id, "{}", NOW).await))
        .await
        .uses("tasks_retried")
        .never_scans();
}

//! Every report against every state, and every race that a report can lose.

use domain::{
    tasks::{EndedBy, Report, TaskStatus, Verdict},
    time::Span,
};

use super::*;
use crate::{
    fixtures::{
        NOW, agent, cancel, device, events, integer, last_details, other_agent, plan, run, task,
        task_of, text,
    },
    native::Memory,
    tasks::{find, sweeps},
};

const BODY: &str = r#"{"task_id":"forged","test_uuid":"forged","exit_code":-1,"stdout":"","hostname":"","os":"","arch":"arm64"}"#;

async fn with_task(status: &str) -> Memory {
    let db = Memory::migrated();
    agent(&db, "key").await;
    task(&db, "t1", status).await;
    db
}

async fn progress(db: &Memory, status: TaskStatus) -> Option<Reported> {
    record_progress(db, &device("key"), &"t1".into(), status, NOW).await.unwrap()
}

async fn fail(db: &Memory, error: Option<&str>) -> Option<Reported> {
    record_failure(db, &device("key"), &"t1".into(), error, NOW).await.unwrap()
}

async fn submit(db: &Memory) -> Option<Reported> {
    record_result(db, &device("key"), &"t1".into(), BODY, NOW).await.unwrap()
}

async fn status(db: &Memory) -> String {
    text(db, "SELECT status FROM tasks WHERE id = 't1'").await.unwrap()
}

/// The SQL guard and the domain's table are the same rule.
#[tokio::test]
async fn a_statement_records_what_the_domain_would() {
    use TaskStatus::{Downloading, Executing, Failed};
    for from in TaskStatus::ALL {
        for report in [
            Report::Status(Downloading),
            Report::Status(Executing),
            Report::Status(Failed),
            Report::Result,
        ] {
            let db = with_task(from.as_str()).await;
            let before = find(&db, &"org".into(), &"t1".into()).await.unwrap().unwrap();
            let recorded = match report {
                Report::Status(Failed) => fail(&db, None).await,
                Report::Status(to) => progress(&db, to).await,
                Report::Result => submit(&db).await,
            };
            let expected = before.state().judge(report) == Verdict::Recorded;
            assert_eq!(recorded.is_some(), expected, "{from:?} {report:?}");
        }
    }
}

#[tokio::test]
async fn each_step_has_its_own_deadline() {
    let db = with_task("assigned").await;
    let overdue = "SELECT overdue_at FROM tasks";
    progress(&db, TaskStatus::Downloading).await.unwrap();
    assert_eq!(integer(&db, overdue).await, Some(NOW.0 + 420_000));
    let later = NOW + Span::seconds(10);
    let (device, id) = (device("key"), "t1".into());
    record_progress(&db, &device, &id, TaskStatus::Downloading, later).await.unwrap().unwrap();
    assert_eq!(integer(&db, overdue).await, Some(NOW.0 + 420_000), "a retry buys no time");
    record_progress(&db, &device, &id, TaskStatus::Executing, later).await.unwrap().unwrap();
    assert_eq!(integer(&db, overdue).await, Some(later.0 + 420_000));
}

#[tokio::test]
async fn a_failure_keeps_its_reason() {
    let db = with_task("downloading").await;
    let failed = fail(&db, Some("disk \"full\"")).await.unwrap().task;
    assert_eq!((failed.status, failed.completed_at), (TaskStatus::Failed, Some(NOW)));
    let kept = r#"{"error":"disk \"full\"","exit_code":-1,"stdout":"","stderr":"disk \"full\"","execution_duration_ms":0}"#;
    assert_eq!(failed.result.as_deref(), Some(kept));
    assert_eq!(events(&db).await.last().unwrap(), "task_failed");
    assert_eq!(last_details(&db).await, r#"{"task_id":"t1","task_type":"execute_test"}"#);
}

#[tokio::test]
async fn a_failure_without_a_reason_has_no_result() {
    let db = with_task("executing").await;
    assert_eq!(fail(&db, None).await.unwrap().task.result, None);
}

#[tokio::test]
async fn a_result_is_about_our_task_and_our_agent() {
    let db = with_task("executing").await;
    let task = submit(&db).await.unwrap().task;
    assert_eq!((task.status, task.late), (TaskStatus::Completed, false));
    let stored = r#"{"task_id":"t1","test_uuid":"u1","exit_code":-1,"stdout":"","hostname":"host-a1","os":"linux","arch":"arm64"}"#;
    assert_eq!(task.result.as_deref(), Some(stored));
    assert_eq!(events(&db).await.last().unwrap(), "task_completed");
}

#[tokio::test]
async fn a_result_is_taken_once() {
    let db = with_task("executing").await;
    assert!(submit(&db).await.is_some());
    assert!(submit(&db).await.is_none());
    assert_eq!(integer(&db, "SELECT results_used FROM agents").await, Some(1));
}

#[tokio::test]
async fn a_result_after_we_gave_up_is_taken_once_and_flagged() {
    for (status, ended_by) in [("failed", "sweep"), ("failed", "report"), ("expired", "sweep")] {
        let db = with_task(status).await;
        run(&db, "UPDATE tasks SET ended_by = ?1", &[ended_by.into()]).await;
        let task = submit(&db).await.unwrap().task;
        assert_eq!((task.late, task.ended_by), (true, Some(EndedBy::Result)));
        assert!(submit(&db).await.is_none());
    }
}

#[tokio::test]
async fn a_cancellation_wins_over_a_report_that_comes_after_it() {
    let db = with_task("executing").await;
    assert!(cancel(&db).await);
    assert!(progress(&db, TaskStatus::Executing).await.is_none());
    assert!(fail(&db, None).await.is_none());
    assert!(submit(&db).await.is_none());
    assert_eq!(status(&db).await, "expired");
}

#[tokio::test]
async fn a_result_wins_over_a_cancellation_and_a_sweep_that_come_after_it() {
    let db = with_task("executing").await;
    submit(&db).await.unwrap();
    assert!(!cancel(&db).await);
    let later = NOW + Span::days(2);
    assert_eq!(sweeps::fail_overdue(&db, later, 10).await.unwrap(), 0);
    assert_eq!(sweeps::fail_stale(&db, later, 10).await.unwrap(), 0);
    assert_eq!(status(&db).await, "completed");
}

#[tokio::test]
async fn an_uninstalled_agent_is_no_longer_known() {
    let db = with_task("executing").await;
    run(&db, "UPDATE tasks SET type = 'uninstall'", &[]).await;
    task(&db, "t2", "pending").await;
    submit(&db).await.unwrap();
    let agent = text(&db, "SELECT status FROM agents").await;
    assert_eq!(agent.as_deref(), Some("uninstalled"));
    let left = text(&db, "SELECT status FROM tasks WHERE id = 't2'").await;
    assert_eq!(left.as_deref(), Some("expired"));
    task(&db, "t3", "executing").await;
    let next = record_failure(&db, &device("key"), &"t3".into(), None, NOW).await.unwrap();
    assert_eq!(next, None);
}

async fn admitted(db: &Memory, key: &str, id: &str) -> bool {
    admit(db, &device(key), &id.into(), NOW).await.unwrap().is_some()
}

async fn said_farewell(db: &Memory, id: &str) -> bool {
    is_farewell(db, &"a1".into(), &id.into()).await.unwrap()
}

// fleet.md §8.11 item 8, D-68
#[tokio::test]
async fn the_result_that_ended_its_agent_may_be_repeated() {
    let db = with_task("executing").await;
    run(&db, "UPDATE tasks SET type = 'uninstall'", &[]).await;
    assert!(!said_farewell(&db, "t1").await, "it has not ended yet");
    submit(&db).await.unwrap();
    assert!(admitted(&db, "key", "t1").await);
    assert_eq!(integer(&db, "SELECT results_used FROM agents").await, Some(2), "it is counted");
    run(&db, "UPDATE agents SET results_used = 300", &[]).await;
    assert!(!admitted(&db, "key", "t1").await, "over budget");
    assert!(said_farewell(&db, "t1").await);
}

#[tokio::test]
async fn nothing_else_of_an_agent_that_is_gone_is_let_in() {
    let db = with_task("executing").await;
    run(&db, "UPDATE tasks SET type = 'uninstall'", &[]).await;
    task(&db, "t2", "completed").await;
    submit(&db).await.unwrap();
    assert!(!admitted(&db, "other", "t1").await, "another key");
    assert!(!admitted(&db, "key", "t2").await, "another task");
    assert!(!said_farewell(&db, "t2").await);
    run(&db, "UPDATE agents SET status = 'decommissioned'", &[]).await;
    assert!(!admitted(&db, "key", "t1").await, "a person ended the agent");
}

#[tokio::test]
async fn a_result_that_is_not_recorded_is_counted_with_the_results() {
    let db = with_task("completed").await;
    assert!(admitted(&db, "key", "t1").await);
    assert!(!admitted(&db, "other", "t1").await);
    let spent = "SELECT budget_used * 1000 + results_used FROM agents";
    assert_eq!(integer(&db, spent).await, Some(1));
}

#[tokio::test]
async fn no_attempt_to_store_a_result_is_shown_before_there_was_one() {
    let db = with_task("executing").await;
    let attempted = |task: Task| (task.ingest_attempts, task.last_ingest_attempt_at);
    assert_eq!(attempted(submit(&db).await.unwrap().task), (0, None));
    crate::results::record_attempt(&db, &"t1".into(), NOW).await.unwrap();
    let task = find(&db, &"org".into(), &"t1".into()).await.unwrap().unwrap();
    assert_eq!(attempted(task), (1, Some(NOW)));
}

#[tokio::test]
async fn nobody_reports_for_another() {
    let db = with_task("executing").await;
    other_agent(&db, "a2", "org", "other").await;
    task_of(&db, "t2", "a2", "executing").await;
    let (mine, theirs) = (device("key"), "t2".into());
    let executing = TaskStatus::Executing;
    assert_eq!(record_progress(&db, &mine, &theirs, executing, NOW).await.unwrap(), None);
    assert_eq!(record_failure(&db, &mine, &theirs, None, NOW).await.unwrap(), None);
    assert_eq!(record_result(&db, &mine, &theirs, BODY, NOW).await.unwrap(), None);
    let forged = device("other");
    assert_eq!(record_failure(&db, &forged, &"t1".into(), None, NOW).await.unwrap(), None);
    assert_eq!(status(&db).await, "executing");
}

#[tokio::test]
async fn reports_and_results_are_counted_apart() {
    let db = with_task("assigned").await;
    let reported = progress(&db, TaskStatus::Executing).await.unwrap();
    assert_eq!(reported.budget.remaining, 29);
    let reported = progress(&db, TaskStatus::Executing).await.unwrap();
    assert_eq!(reported.budget.remaining, 28);
    assert_eq!(submit(&db).await.unwrap().budget.remaining, 299);
    let spent = "SELECT budget_used * 1000 + results_used FROM agents";
    assert_eq!(integer(&db, spent).await, Some(2001));
}

#[tokio::test]
async fn nothing_is_recorded_over_budget() {
    let db = with_task("executing").await;
    run(
        &db,
        "UPDATE agents SET budget_used = 30, budget_started_at = ?1, rejected_since = ?1",
        &[NOW.into()],
    )
    .await;
    assert!(fail(&db, None).await.is_none());
    assert_eq!(status(&db).await, "executing");
    assert!(submit(&db).await.is_some(), "results have their own budget");
    assert_eq!(integer(&db, "SELECT rejected_since FROM agents").await, None);
}

#[tokio::test]
async fn reporting_scans_nothing() {
    plan(async |db| {
        let (device, id) = (device("key"), "t1".into());
        drop(record_progress(db, &device, &id, TaskStatus::Executing, NOW).await);
        drop(record_failure(db, &device, &id, None, NOW).await);
        drop(record_result(db, &device, &id, BODY, NOW).await);
        drop(admit(db, &device, &id, NOW).await);
        drop(is_farewell(db, &device.agent, &id).await);
    })
    .await
    .never_scans();
}

/// Whatever it ever had: an agent may have hundreds of thousands.
#[tokio::test]
async fn ending_an_agent_reads_only_the_tasks_that_wait() {
    let planned = plan(async |db| {
        let sql = "UPDATE agents SET status = 'decommissioned' WHERE id = 'a1'";
        drop(db.query(sql, &[]).await);
    })
    .await;
    planned.uses("tasks_offered");
    assert_eq!(planned.times("tasks_by_agent"), 0);
}

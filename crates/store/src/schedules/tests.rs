//! Schedules on a real database: claims that are raced, runs that are whole, agents that leave.

use domain::schedules::ScheduleStatus;

use super::{
    changes::{Deleted, Roster, insert, record_change, record_deletion},
    ticks::{self, Advance, Firing, claim, count_tasks, record_failure, record_fault},
    *,
};
use crate::{
    fixtures::{NOW, agent, entry, integer, other_agent, plan, run, task, text, update_agent},
    native::Memory,
};

const LATER: Timestamp = Timestamp(NOW.0 + 86_400_000);

fn schedule() -> Schedule {
    Schedule {
        id: "s1".into(),
        org: "org".into(),
        name: Some("Baseline".to_owned()),
        test_uuid: "u1".to_owned(),
        test_name: "LSASS read".to_owned(),
        binary_name: "u1".to_owned(),
        execution_timeout_seconds: 300,
        priority: 2,
        metadata: "{}".to_owned(),
        target_index: None,
        kind: ScheduleType::Daily,
        config: r#"{"time":"10:00"}"#.to_owned(),
        timezone: "UTC".to_owned(),
        blackout_windows: "[]".to_owned(),
        missed: MissedRuns { policy: MissedRunPolicy::RunOnce, window: Span::days(1) },
        status: ScheduleStatus::Active,
        next_run_at: Some(NOW),
        last_run_at: None,
        last_occurrence_at: None,
        skipped_runs: 0,
        last_skipped_at: None,
        failing_since: None,
        last_error: None,
        last_error_at: None,
        version: 1,
        created_by: "user".to_owned(),
        created_at: NOW,
        updated_at: NOW,
    }
}

const fn roster(pairs: &str) -> Roster<'_> {
    Roster { pairs, platform: None }
}

/// A schedule of `a1` and `a2` that is due.
async fn due() -> (Memory, Schedule) {
    let db = Memory::migrated();
    agent(&db, "key").await;
    other_agent(&db, "a2", "org", "key2").await;
    let roster = roster(r#"[[null,"a2"],[null,"a1"]]"#);
    assert!(insert(&db, &schedule(), roster, &entry("schedule.update")).await.unwrap());
    let found = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    assert_eq!(found, schedule());
    (db, found)
}

/// Those of the due that can be read.
async fn list_due(db: &Memory, now: Timestamp, at_most: u32) -> Vec<Schedule> {
    let due = ticks::list_due(db, now, at_most).await.unwrap();
    due.into_iter().map(Result::unwrap).collect()
}

const COMMON: &str = r#"{"at":1,"expires_at":2,"ttl_seconds":1,"batch_id":"b1","os":"linux","arch":"amd64","payload":"{\"test_uuid\":\"u1\"}"}"#;

fn firing(targets: &str) -> Advance<'_> {
    Advance {
        occurrence: Some(NOW),
        next: Some(LATER),
        members: None,
        skipped: 0,
        firing: Some(Firing { common: COMMON, targets }),
        error: None,
        completes: false,
    }
}

fn targets(ids: [&str; 2]) -> String {
    format!(r#"[["{}","a1",{}],["{}","a2",{}]]"#, ids[0], NOW.0, ids[1], NOW.0)
}

async fn tasks(db: &Memory) -> Option<i64> {
    integer(db, "SELECT count(*) FROM tasks").await
}

async fn agents(db: &Memory) -> Vec<String> {
    let members = members(db, &"s1".into()).await.unwrap();
    members.into_iter().map(|it| it.agent.0).collect()
}

// D-54
#[tokio::test]
async fn of_two_ticks_that_saw_the_same_occurrence_one_makes_the_tasks() {
    let (db, seen) = due().await;
    let (mine, theirs) = (targets(["t1", "t2"]), targets(["t3", "t4"]));
    assert!(claim(&db, &seen, firing(&mine), NOW).await.unwrap());
    assert!(!claim(&db, &seen, firing(&theirs), NOW).await.unwrap());
    assert_eq!(tasks(&db).await, Some(2));
    assert_eq!(count_tasks(&db, &seen, "b1").await.unwrap(), 2);
    let after = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    assert_eq!((after.next_run_at, after.last_run_at), (Some(LATER), Some(NOW)));
    assert!(list_due(&db, NOW, 10).await.is_empty());
    let task =
        text(&db, "SELECT payload || schedule_id || occurrence_at FROM tasks").await.unwrap();
    assert_eq!(task, format!("{{\"test_uuid\":\"u1\"}}s1{}", NOW.0));
    let left = "SELECT count(*) FROM schedules WHERE coalesce(firing, targets, advance, roster, audit) IS NOT NULL";
    assert_eq!(integer(&db, left).await, Some(0));
}

#[tokio::test]
async fn an_occurrence_is_unique_even_if_a_claim_came_back() {
    let (db, seen) = due().await;
    assert!(claim(&db, &seen, firing(&targets(["t1", "t2"])), NOW).await.unwrap());
    run(&db, "UPDATE tasks SET status = 'expired', ended_by = 'sweep'", &[]).await;
    // As if an old copy of the row had been restored.
    run(&db, "UPDATE schedules SET next_run_at = ?1, version = 1", &[NOW.into()]).await;
    assert!(claim(&db, &seen, firing(&targets(["t3", "t4"])), NOW).await.unwrap());
    assert_eq!(tasks(&db).await, Some(2));
}

#[tokio::test]
async fn a_run_that_cannot_be_stored_leaves_the_occurrence_unclaimed() {
    let (db, seen) = due().await;
    task(&db, "taken", "completed").await;
    // The second task's id is another's.
    assert!(claim(&db, &seen, firing(&targets(["t1", "taken"])), NOW).await.is_err());
    assert_eq!(tasks(&db).await, Some(1));
    assert_eq!(list_due(&db, NOW, 10).await, [seen]);
}

// D-45, D-53, D-56
#[tokio::test]
async fn only_active_idle_agents_of_the_platform_get_a_task() {
    for (column, value) in
        [("status", "disabled"), ("os", "windows"), ("org_id", "other"), ("arch", "arm64")]
    {
        let (db, seen) = due().await;
        update_agent(&db, column, value).await;
        assert!(claim(&db, &seen, firing(&targets(["t1", "t2"])), NOW).await.unwrap());
        let got = text(&db, "SELECT group_concat(agent_id) FROM tasks").await;
        assert_eq!(got.as_deref(), Some("a2"), "{column}");
    }
    let (db, seen) = due().await;
    assert!(claim(&db, &seen, firing(r#"[["t1","a1",5]]"#), NOW).await.unwrap());
    let seen = Schedule { next_run_at: Some(LATER), version: 2, ..seen };
    assert!(claim(&db, &seen, firing(&targets(["t2", "t3"])), LATER).await.unwrap());
    let got = text(&db, "SELECT group_concat(agent_id) FROM tasks WHERE id <> 't1'").await;
    assert_eq!(got.as_deref(), Some("a2"), "a1 has a task that has not ended");
}

#[tokio::test]
async fn a_change_and_a_tick_never_overwrite_each_other() {
    let (db, seen) = due().await;
    let org = "org".into();
    let paused = Schedule { status: ScheduleStatus::Paused, ..seen.clone() };
    assert!(claim(&db, &seen, firing(&targets(["t1", "t2"])), NOW).await.unwrap());
    assert!(!record_change(&db, &paused, None, NOW, &entry("schedule.update")).await.unwrap());
    let fresh = find(&db, &org, &"s1".into()).await.unwrap().unwrap();
    let changed = Schedule { priority: 9, next_run_at: Some(NOW), ..fresh.clone() };
    assert!(record_change(&db, &changed, None, NOW, &entry("schedule.update")).await.unwrap());
    assert!(!claim(&db, &fresh, firing(&targets(["t3", "t4"])), NOW).await.unwrap());
    assert_eq!(tasks(&db).await, Some(2));
}

#[tokio::test]
async fn every_agent_of_a_roster_qualifies_or_nothing_is_written() {
    let (db, seen) = due().await;
    other_agent(&db, "foreign", "other", "key3").await;
    for pairs in [r#"[[null,"a1"],[null,"foreign"]]"#, r#"[[null,"nobody"]]"#] {
        let new = Schedule { id: "s2".into(), ..schedule() };
        assert!(!insert(&db, &new, roster(pairs), &entry("schedule.update")).await.unwrap());
        assert!(
            !record_change(&db, &seen, Some(roster(pairs)), NOW, &entry("schedule.update"))
                .await
                .unwrap()
        );
    }
    assert_eq!(integer(&db, "SELECT count(*) FROM schedules").await, Some(1));
    assert_eq!(agents(&db).await, ["a2", "a1"]);
    assert!(
        record_change(&db, &seen, Some(roster(r#"[[7,"a1"]]"#)), NOW, &entry("schedule.update"))
            .await
            .unwrap()
    );
    assert_eq!(agents(&db).await, ["a1"]);
    let logged = text(&db, "SELECT group_concat(after ->> 'agents') FROM audit_log").await;
    assert_eq!(logged.as_deref(), Some("2,1"), "who failed changed nothing and is in no log");
    let next = integer(&db, "SELECT next_run_at FROM schedule_agents").await;
    assert_eq!(next, Some(7));
}

// D-36
#[tokio::test]
async fn agents_that_are_gone_for_good_are_in_no_schedule() {
    for (status, left) in [("disabled", 2), ("decommissioned", 1), ("uninstalled", 1)] {
        let (db, _) = due().await;
        update_agent(&db, "status", status).await;
        assert_eq!(agents(&db).await.len(), left, "{status}");
    }
}

#[tokio::test]
async fn machines_advance_one_by_one() {
    let (db, seen) = due().await;
    let pairs = format!(r#"[[{},"a1"],[{},"a2"]]"#, NOW.0, LATER.0);
    assert!(
        record_change(&db, &seen, Some(roster(&pairs)), NOW, &entry("schedule.update"))
            .await
            .unwrap()
    );
    let seen = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    let members_due = format!(r#"[[99,"a1",{}],[5,"stranger",1]]"#, NOW.0);
    let advance = Advance { members: Some(&members_due), firing: None, ..firing("") };
    assert!(claim(&db, &seen, advance, NOW).await.unwrap());
    let members = members(&db, &"s1".into()).await.unwrap();
    let shown: Vec<_> = members
        .iter()
        .map(|it| (it.agent.as_str(), it.next_run_at, it.last_occurrence_at))
        .collect();
    assert_eq!(shown, [("a1", Some(Timestamp(99)), Some(NOW)), ("a2", Some(LATER), None)]);
}

// D-55
#[tokio::test]
async fn what_failed_waits_behind_what_did_not() {
    let (db, seen) = due().await;
    let other = Schedule { id: "s2".into(), next_run_at: Some(Timestamp(NOW.0 - 1)), ..schedule() };
    assert!(insert(&db, &other, roster("[]"), &entry("schedule.update")).await.unwrap());
    record_failure(&db, &other, "no build", NOW).await.unwrap();
    assert_eq!(list_due(&db, NOW, 10).await, [seen]);
    let next_tick = Timestamp(NOW.0 + 60_000);
    record_failure(&db, &other, "no build", next_tick).await.unwrap();
    let due = list_due(&db, Timestamp(next_tick.0 + 60_000), 10).await;
    assert_eq!(due.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["s1", "s2"]);
    assert_eq!((due[1].failing_since, due[1].last_error_at), (Some(NOW), Some(next_tick)));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_waits_behind_the_others() {
    let (db, seen) = due().await;
    let other = Schedule { id: "s2".into(), next_run_at: Some(Timestamp(NOW.0 - 1)), ..schedule() };
    assert!(insert(&db, &other, roster("[]"), &entry("schedule.update")).await.unwrap());
    run(&db, "UPDATE schedules SET skipped_runs = -1 WHERE id = 's2'", &[]).await;
    let due = ticks::list_due(&db, NOW, 10).await.unwrap();
    let ids = due.iter().map(|it| it.as_ref().map_or_else(|it| &it.id, |it| &it.id).as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["s2", "s1"]);
    assert!(matches!(&due[0], Err(it) if matches!(it.source, Error::Corrupt { .. })));

    record_fault(&db, &"s2".into(), "broken", NOW).await.unwrap();
    assert_eq!(list_due(&db, NOW, 10).await, std::slice::from_ref(&seen));
    let said = "SELECT last_error || (retry_at - ?1) || (failing_since = ?1) FROM schedules WHERE id = 's2'";
    let said = run(&db, said, &[NOW.into()]).await.swap_remove(0).text(0).unwrap();
    assert_eq!(said, "broken11");

    // Whoever claimed it meanwhile has the last word.
    assert!(claim(&db, &seen, firing(&targets(["t1", "t2"])), NOW).await.unwrap());
    record_fault(&db, &"s1".into(), "broken", NOW).await.unwrap();
    let after = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    assert_eq!((after.last_error, after.failing_since), (None, None));
}

// D-55
#[tokio::test]
async fn a_run_that_nobody_could_take_says_so() {
    let (db, seen) = due().await;
    run(&db, "UPDATE agents SET status = 'disabled'", &[]).await;
    let last = Advance { completes: true, next: None, ..firing("") };
    let targets = targets(["t1", "t2"]);
    let last = Advance { firing: Some(Firing { common: COMMON, targets: &targets }), ..last };
    assert!(claim(&db, &seen, last, NOW).await.unwrap());
    let after = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    assert_eq!(after.status, ScheduleStatus::Completed);
    assert_eq!(after.last_error.as_deref(), Some("No agent could take the run"));
    assert_eq!(after.last_error_at, Some(Timestamp(1)), "as the firing says");
    assert_eq!(tasks(&db).await, Some(0));
}

#[tokio::test]
async fn an_error_is_of_the_last_time_it_came() {
    let (db, seen) = due().await;
    let advance = Advance { firing: None, error: Some("nobody"), next: Some(LATER), ..firing("") };
    assert!(claim(&db, &seen, advance, NOW).await.unwrap());
    let seen = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    assert_eq!(seen.last_error_at, Some(NOW));
    assert!(claim(&db, &seen, advance, LATER).await.unwrap());
    let seen = find(&db, &"org".into(), &"s1".into()).await.unwrap().unwrap();
    assert_eq!(seen.last_error_at, Some(LATER));
}

#[tokio::test]
async fn deleting_is_repeatable_and_hides() {
    let (db, _) = due().await;
    let (org, id) = ("org".into(), "s1".into());
    let delete = async |org: &OrgId| {
        record_deletion(&db, org, &id, NOW, &entry("schedule.update")).await.unwrap()
    };
    assert_eq!(delete(&"other".into()).await, Deleted::Unknown);
    assert_eq!([delete(&org).await, delete(&org).await], [Deleted::Now, Deleted::Before]);
    assert_eq!(find(&db, &org, &id).await.unwrap(), None);
    let page = Page { limit: 10, offset: 0, after: None };
    assert!(list(&db, &org, None, page).await.unwrap().is_empty());
    assert_eq!(count(&db, &org, None).await.unwrap(), 0);
    assert!(agents(&db).await.is_empty());
}

#[tokio::test]
async fn a_page_goes_on_after_the_one_before() {
    let (db, _) = due().await;
    for id in ["s2", "s3"] {
        let new = Schedule { id: id.into(), ..schedule() };
        assert!(insert(&db, &new, roster("[]"), &entry("schedule.update")).await.unwrap());
    }
    let ids = async |after| {
        let page = Page { limit: 2, offset: 0, after };
        let listed = list(&db, &"org".into(), Some(ScheduleStatus::Active), page).await.unwrap();
        listed.into_iter().map(|it| it.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(None).await, ["s3", "s2"]);
    assert_eq!(ids(Some((NOW, "s2"))).await, ["s1"]);
}

#[tokio::test]
async fn ticks_scan_nothing() {
    plan(async |db| drop(ticks::list_due(db, NOW, 10).await))
        .await
        .uses("schedules_due")
        .never_scans();
    let claimed = plan(async |db| drop(claim(db, &schedule(), firing("[]"), NOW).await)).await;
    claimed.never_scans().uses("tasks_scheduled");
}

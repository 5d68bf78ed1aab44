//! The whole table of reports against states.

use super::*;
use TaskStatus::{Assigned, Completed, Downloading, Executing, Expired, Failed, Pending};

fn state(status: TaskStatus, ended_by: Option<EndedBy>) -> State {
    State { kind: TaskType::ExecuteTest, status, ended_by }
}

#[track_caller]
fn check(status: TaskStatus, to: TaskStatus, expected: Verdict) {
    let ended_by = status.has_ended().then_some(EndedBy::Sweep);
    assert_eq!(state(status, ended_by).judge(Report::Status(to)), expected, "{status:?} -> {to:?}");
}

#[track_caller]
fn check_result(status: TaskStatus, ended_by: Option<EndedBy>, expected: Verdict) {
    assert_eq!(state(status, ended_by).judge(Report::Result), expected, "{status:?} {ended_by:?}");
}

#[test]
fn words_are_read_as_they_are_written() {
    for it in TaskStatus::ALL {
        assert_eq!(it.as_str().parse(), Ok(*it));
    }
    for it in TaskType::ALL {
        assert_eq!(it.as_str().parse(), Ok(*it));
    }
    for it in EndedBy::ALL {
        assert_eq!(it.as_str().parse(), Ok(*it));
    }
    assert_eq!("done".parse::<TaskStatus>(), Err(UnknownWord));
}

#[test]
fn an_agent_moves_its_task_forward() {
    check(Assigned, Downloading, Verdict::Recorded);
    check(Assigned, Executing, Verdict::Recorded);
    check(Downloading, Executing, Verdict::Recorded);
    for from in [Assigned, Downloading, Executing] {
        check(from, Failed, Verdict::Recorded);
    }
}

#[test]
fn saying_the_same_again_is_recorded() {
    check(Downloading, Downloading, Verdict::Recorded);
    check(Executing, Executing, Verdict::Recorded);
}

#[test]
fn an_agent_neither_steps_back_nor_does_what_only_the_server_may() {
    check(Executing, Downloading, Verdict::Invalid { from: Executing, to: Downloading });
    for from in [Pending, Assigned, Downloading, Executing] {
        for to in [Pending, Assigned, Completed, Expired] {
            check(from, to, Verdict::Invalid { from, to });
        }
    }
    for to in [Downloading, Executing, Failed] {
        check(Pending, to, Verdict::Invalid { from: Pending, to });
    }
}

#[test]
fn work_on_an_ended_task_is_stopped() {
    for from in [Completed, Failed, Expired] {
        check(from, Downloading, Verdict::Stopped);
        check(from, Executing, Verdict::Stopped);
    }
}

#[test]
fn ending_an_ended_task_changes_nothing() {
    for from in [Completed, Failed, Expired] {
        for to in [Completed, Failed, Expired, Pending, Assigned] {
            check(from, to, Verdict::AlreadyEnded);
        }
    }
}

#[test]
fn a_result_is_taken_while_the_task_runs() {
    check_result(Downloading, None, Verdict::Recorded);
    check_result(Executing, None, Verdict::Recorded);
}

#[test]
fn a_result_of_a_task_that_never_started_is_invalid() {
    check_result(Pending, None, Verdict::Invalid { from: Pending, to: Completed });
    check_result(Assigned, None, Verdict::Invalid { from: Assigned, to: Completed });
}

#[test]
fn a_late_result_is_taken_when_only_we_gave_up() {
    for ended_by in [EndedBy::Report, EndedBy::Sweep] {
        check_result(Failed, Some(ended_by), Verdict::Recorded);
        check_result(Expired, Some(ended_by), Verdict::Recorded);
    }
}

#[test]
fn a_result_never_overwrites_a_result_or_a_person() {
    check_result(Completed, Some(EndedBy::Result), Verdict::AlreadyEnded);
    check_result(Expired, Some(EndedBy::Person), Verdict::AlreadyEnded);
}

#[test]
fn a_cancelled_uninstall_is_unknown_to_its_result_but_not_to_its_failure() {
    let cancelled =
        State { kind: TaskType::Uninstall, status: Expired, ended_by: Some(EndedBy::Person) };
    assert_eq!(cancelled.judge(Report::Result), Verdict::Unknown);
    assert_eq!(cancelled.judge(Report::Status(Failed)), Verdict::AlreadyEnded);
    assert_eq!(cancelled.judge(Report::Status(Executing)), Verdict::Stopped);
}

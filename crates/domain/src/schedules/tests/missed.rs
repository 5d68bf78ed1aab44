//! Runs that were missed, by policy.

use super::*;

const TEN: &str = "2026-02-09T10:00:00Z";

struct Case {
    policy: MissedRunPolicy,
    window: Span,
    failing_since: Option<&'static str>,
}

const RUN_ONCE: Case =
    Case { policy: MissedRunPolicy::RunOnce, window: Span::days(1), failing_since: None };
const SKIP: Case = Case { policy: MissedRunPolicy::Skip, ..RUN_ONCE };
const RUN_ALL: Case = Case { policy: MissedRunPolicy::RunAll, window: Span::days(7), ..RUN_ONCE };

impl Case {
    /// Daily at 10:00 UTC, due since the 9th. Says the days that run, how many do not, and the next.
    #[track_caller]
    fn check(&self, now: &str, runs: &[i8], skipped: u32, next: &str) {
        let daily = timing("daily 10:00", "UTC");
        let missed = MissedRuns { policy: self.policy, window: self.window };
        let failing_since = self.failing_since.map(instant);
        let caught = daily.catch_up(
            instant(TEN),
            LOT,
            missed,
            Lateness { now: instant(now), failing_since },
            &mut Patience::of_a_tick(),
        );
        let days: Vec<_> =
            caught.runs.iter().map(|it| daily.zone.local(*it).unwrap().day()).collect();
        let seen = (days.as_slice(), caught.skipped, caught.next.map(shown).unwrap());
        assert_eq!(seen, (runs, skipped, next.to_owned()));
    }
}

#[test]
fn a_run_within_two_minutes_is_not_missed() {
    for case in [RUN_ONCE, SKIP, RUN_ALL] {
        case.check("2026-02-09T10:00:00Z", &[9], 0, "2026-02-10T10:00:00Z");
        case.check("2026-02-09T10:02:00Z", &[9], 0, "2026-02-10T10:00:00Z");
    }
    let narrow = Case { window: Span::seconds(60), ..SKIP };
    narrow.check("2026-02-09T10:02:00Z", &[9], 0, "2026-02-10T10:00:00Z");
}

#[test]
fn skipping_lets_go_what_is_late_and_keeps_what_is_not() {
    SKIP.check("2026-02-09T10:02:01Z", &[], 1, "2026-02-10T10:00:00Z");
    SKIP.check("2026-02-10T10:00:30Z", &[10], 1, "2026-02-11T10:00:00Z");
}

#[test]
fn running_once_stands_for_all_that_were_missed() {
    RUN_ONCE.check("2026-02-09T15:00:00Z", &[9], 0, "2026-02-10T10:00:00Z");
    RUN_ONCE.check("2026-02-10T09:59:59Z", &[9], 0, "2026-02-10T10:00:00Z");
    // Four days down: the one of this morning is within the window, and stands for it.
    let case = Case { window: Span::days(7), ..RUN_ONCE };
    case.check("2026-02-12T15:00:00Z", &[12], 3, "2026-02-13T10:00:00Z");
}

#[test]
fn what_is_older_than_the_window_is_let_go() {
    let hour = Span::hours(1);
    Case { window: hour, ..RUN_ONCE }.check(
        "2026-02-09T11:00:00Z",
        &[9],
        0,
        "2026-02-10T10:00:00Z",
    );
    Case { window: hour, ..RUN_ONCE }.check("2026-02-09T11:00:01Z", &[], 1, "2026-02-10T10:00:00Z");
    Case { window: hour, ..RUN_ALL }.check(
        "2026-02-10T10:30:00Z",
        &[10],
        1,
        "2026-02-11T10:00:00Z",
    );
}

#[test]
fn running_all_makes_up_for_each() {
    RUN_ALL.check("2026-02-12T15:00:00Z", &[9, 10, 11, 12], 0, "2026-02-13T10:00:00Z");
}

// D-55: the time of trying again does not make a run late.
#[test]
fn what_is_tried_again_is_not_missed() {
    let case = Case { failing_since: Some("2026-02-09T10:01:00Z"), ..SKIP };
    case.check("2026-02-09T10:50:00Z", &[9], 0, "2026-02-10T10:00:00Z");
}

#[test]
fn a_single_run_that_is_too_old_has_no_successor() {
    let once = timing("once 2026-02-09 10:00", "UTC");
    let missed = MissedRuns { policy: MissedRunPolicy::RunOnce, window: Span::hours(1) };
    let lateness = Lateness { now: instant("2026-02-09T12:00:00Z"), failing_since: None };
    let caught = once.catch_up(instant(TEN), LOT, missed, lateness, &mut Patience::of_a_tick());
    assert_eq!(caught, Caught { runs: Vec::new(), skipped: 1, next: None });
}

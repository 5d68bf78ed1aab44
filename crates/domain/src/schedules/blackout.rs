//! Windows in which nothing runs. What falls into one is skipped, not put off.

use jiff::civil::{DateTime, Time};

use super::Weekdays;
use crate::time::{Span, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blackout {
    /// Each of these days from `start`, inclusive, to `end`, exclusive. An end that is not later
    /// than the start is on the day after: 00:00 to 00:00 is the whole day.
    Daily { start: Time, end: Time, days: Weekdays },
    /// From one instant, inclusive, to another, exclusive.
    Period { from: Timestamp, until: Timestamp },
}

impl Blackout {
    /// Whether the window covers this time of the week, in every week.
    pub(super) fn covers_weekly(&self, local: DateTime) -> bool {
        match self {
            Self::Daily { .. } => self.covers(Timestamp(0), local).is_some(),
            Self::Period { .. } => false,
        }
    }

    /// Where to look on from when the window covers this occurrence; its successors come after.
    pub(super) fn covers(&self, at: Timestamp, local: DateTime) -> Option<Timestamp> {
        match *self {
            Self::Period { from, until } => {
                (from <= at && at < until).then(|| until - Span::millis(1))
            }
            Self::Daily { start, end, days } => {
                let time = local.time();
                let today = days.contains(local.weekday());
                let covered = if start < end {
                    today && start <= time && time < end
                } else {
                    let yesterday = days.contains(local.weekday().previous());
                    today && start <= time || yesterday && time < end
                };
                covered.then_some(at)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::{parse_date, parse_time};

    fn daily(start: &str, end: &str, days: &[u8]) -> Blackout {
        Blackout::Daily {
            start: parse_time(start).unwrap(),
            end: parse_time(end).unwrap(),
            days: Weekdays::of(days).unwrap(),
        }
    }

    #[track_caller]
    fn check(window: Blackout, local: &str, expected: bool) {
        let (date, time) = local.split_once(' ').unwrap();
        let local = parse_date(date).unwrap().to_datetime(parse_time(time).unwrap());
        let covered = window.covers(Timestamp(0), local).is_some();
        assert_eq!(covered, expected, "{local} in {window:?}");
    }

    #[test]
    fn a_window_begins_inclusive_and_ends_exclusive() {
        let lunch = daily("12:00", "13:00", &[1, 2, 3, 4, 5]);
        check(lunch, "2026-11-24 11:59", false);
        check(lunch, "2026-11-24 12:00", true);
        check(lunch, "2026-11-24 12:59", true);
        check(lunch, "2026-11-24 13:00", false);
        check(lunch, "2026-11-22 12:30", false);
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let friday_night = daily("22:00", "06:00", &[5]);
        check(friday_night, "2026-11-27 21:59", false);
        check(friday_night, "2026-11-27 22:00", true);
        check(friday_night, "2026-11-28 05:59", true);
        check(friday_night, "2026-11-28 06:00", false);
        check(friday_night, "2026-11-27 05:59", false);
        check(friday_night, "2026-11-28 22:00", false);
    }

    #[test]
    fn midnight_to_midnight_is_the_whole_day() {
        let weekend = daily("00:00", "00:00", &[0, 6]);
        check(weekend, "2026-11-27 23:59", false);
        check(weekend, "2026-11-28 00:00", true);
        check(weekend, "2026-11-29 23:59", true);
        check(weekend, "2026-11-30 00:00", false);
    }
}

//! How well an agent does, as one number, and which agents do nothing (fleet.md §6.8, §12.3).
//!
//! The numbers come from sums by day (UTC). A week that does not begin at midnight takes that part
//! of its first day that it covers.

use crate::time::{Span, Timestamp};

/// One sample per five minutes and agent (D-70).
pub const SAMPLES_PER_DAY: u32 = 288;
pub const SAMPLES_PER_WEEK: u32 = 7 * SAMPLES_PER_DAY;
const MOST_SILENCES: f64 = 10.0;
const DAY: Span = Span::days(1);

/// Days that end now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub since: Timestamp,
    /// Days since the epoch.
    pub first_day: i64,
    /// How much of the first day lies inside.
    pub first_share: f64,
}

impl Window {
    pub fn days(days: i64, now: Timestamp) -> Self {
        let since = now - Span::days(days);
        let into_day = since.0.rem_euclid(DAY.as_millis());
        #[expect(clippy::cast_precision_loss, reason = "a day has few milliseconds")]
        let passed = into_day as f64 / DAY.as_millis() as f64;
        Self { since, first_day: since.0.div_euclid(DAY.as_millis()), first_share: 1.0 - passed }
    }

    pub fn week(now: Timestamp) -> Self {
        Self::days(7, now)
    }
}

/// What an agent did in a week.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Week {
    pub samples: f64,
    pub completed: f64,
    pub failed: f64,
    pub silences: f64,
}

impl Week {
    /// 0–100: presence counts 40, success of tasks 30, steadiness 30.
    pub fn score(self) -> u8 {
        let ended = self.completed + self.failed;
        let presence = (self.samples / f64::from(SAMPLES_PER_WEEK)).min(1.0);
        let success = if ended > 0.0 { self.completed / ended } else { 1.0 };
        let steadiness = 1.0 - (self.silences / MOST_SILENCES).min(1.0);
        let score = (40.0 * presence + 30.0 * success + 30.0 * steadiness).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let score = score as u8;
        score
    }
}

/// `part` of `whole` in percent, at most 100, to one decimal.
pub fn percent(part: f64, whole: f64) -> f64 {
    one_decimal((100.0 * part / whole).min(100.0))
}

pub fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Of what ended in seven days, how much succeeded; 100 when nothing ended.
pub fn success_percent(completed: u64, failed: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^53 tasks")]
    let (completed, ended) = (completed as f64, (completed + failed) as f64);
    if ended > 0.0 { percent(completed, ended) } else { 100.0 }
}

/// The mean gap between failures in hours, to one decimal; none for less than two.
pub fn hours_between(failures: u64, first: Timestamp, last: Timestamp) -> Option<f64> {
    let gaps = failures.checked_sub(1).filter(|it| *it > 0)?;
    #[expect(clippy::cast_precision_loss, reason = "nobody fails 2^53 times")]
    let hours = (last.0 - first.0) as f64 / Span::hours(1).as_millis() as f64 / gaps as f64;
    Some(one_decimal(hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples: f64, completed: f64, failed: f64, silences: f64, expected: u8) {
        assert_eq!(Week { samples, completed, failed, silences }.score(), expected);
    }

    #[test]
    fn presence_success_and_steadiness_add_up() {
        check(2016.0, 0.0, 0.0, 0.0, 100);
        check(0.0, 0.0, 0.0, 0.0, 60);
        check(1008.0, 1.0, 1.0, 5.0, 50);
        check(9999.0, 0.0, 3.0, 99.0, 40);
        check(0.0, 0.0, 1.0, 10.0, 0);
    }

    #[test]
    fn a_window_takes_its_share_of_its_first_day() {
        let noon = Timestamp(20_000 * 86_400_000 + 43_200_000);
        let week = Window::week(noon);
        assert_eq!((week.first_day, week.first_share), (19_993, 0.5));
        let midnight = Window::week(Timestamp(20_000 * 86_400_000));
        assert_eq!((midnight.first_day, midnight.first_share), (19_993, 1.0));
    }

    #[test]
    fn rates_have_one_decimal() {
        assert_eq!(success_percent(2, 1).to_string(), "66.7");
        assert_eq!(success_percent(0, 0).to_string(), "100");
        assert_eq!(percent(3.0, 2.0).to_string(), "100");
    }

    #[test]
    fn failures_have_gaps_from_two_on() {
        let hours = |it| Timestamp(Span::hours(it).as_millis());
        assert_eq!(hours_between(0, hours(0), hours(0)), None);
        assert_eq!(hours_between(1, hours(1), hours(1)), None);
        assert_eq!(hours_between(3, hours(1), hours(64)).unwrap().to_string(), "31.5");
    }
}

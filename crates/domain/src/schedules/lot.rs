//! Random times of day, drawn once per day and for ever.

use jiff::civil::{Date, Time, Weekday};
use sha2::{Digest as _, Sha256};

/// Whose time is drawn: a schedule's, or one machine's in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot<'a> {
    pub schedule: &'a str,
    pub agent: Option<&'a str>,
}

const OFFICE_OPENS: u64 = 9 * 60;
const OFFICE_MINUTES: u64 = 8 * 60;
const DAY_MINUTES: u64 = 24 * 60;

impl Lot<'_> {
    /// The time on a day: in office hours, or at any time on a weekend.
    pub(super) fn time_on(self, date: Date) -> Time {
        minute(date.weekday(), self.draw(date))
    }

    /// Looks random, and is the same each time. The ids of schedules are random already.
    fn draw(self, date: Date) -> u64 {
        let digest = Sha256::new()
            .chain_update(self.schedule)
            .chain_update([0])
            .chain_update(self.agent.unwrap_or_default())
            .chain_update([0])
            .chain_update(date.year().to_be_bytes())
            .chain_update(date.month().to_be_bytes())
            .chain_update(date.day().to_be_bytes())
            .finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Every time that may be drawn for a day.
pub(super) fn times_of(day: Weekday) -> impl Iterator<Item = Time> {
    (0..DAY_MINUTES).map(move |draw| minute(day, draw))
}

/// The weekday is that of the civil date, in any zone (D-49).
fn minute(day: Weekday, draw: u64) -> Time {
    let minute = match day {
        Weekday::Saturday | Weekday::Sunday => draw % DAY_MINUTES,
        Weekday::Monday
        | Weekday::Tuesday
        | Weekday::Wednesday
        | Weekday::Thursday
        | Weekday::Friday => OFFICE_OPENS + draw % OFFICE_MINUTES,
    };
    let part = |it: u64| i8::try_from(it).expect("a day has 24 hours of 60 minutes");
    Time::constant(part(minute / 60), part(minute % 60), 0, 0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn lot<'a>(schedule: &'a str, agent: Option<&'a str>) -> Lot<'a> {
        Lot { schedule, agent }
    }

    #[track_caller]
    fn check(day: Weekday, draw: u64, expected: &str) {
        assert_eq!(minute(day, draw).to_string(), format!("{expected}:00"));
    }

    // A13 195, 196
    #[test]
    fn offices_are_open_eight_hours_and_weekends_all_day() {
        check(Weekday::Monday, 0, "09:00");
        check(Weekday::Friday, 479, "16:59");
        check(Weekday::Friday, 480, "09:00");
        check(Weekday::Saturday, 0, "00:00");
        check(Weekday::Sunday, 1439, "23:59");
        check(Weekday::Sunday, 1440, "00:00");
    }

    #[test]
    fn a_day_is_drawn_the_same_each_time() {
        let date = Date::constant(2026, 11, 24);
        assert_eq!(lot("s", Some("a")).time_on(date), lot("s", Some("a")).time_on(date));
        assert_ne!(lot("s", Some("a")).draw(date), lot("s", None).draw(date));
        assert_ne!(lot("sa", None).draw(date), lot("s", Some("a")).draw(date));
        assert_ne!(lot("s", None).draw(date), lot("s", None).draw(date.tomorrow().unwrap()));
    }

    // A13 238
    #[test]
    fn machines_are_spread_over_the_day() {
        let date = Date::constant(2026, 11, 24);
        let ids: Vec<_> = (0..1000).map(|it| format!("agent-{it}")).collect();
        let times: HashSet<_> = ids.iter().map(|it| lot("s", Some(it)).time_on(date)).collect();
        // 480 minutes, a thousand draws: about 420 are hit; far fewer would mean a bad draw.
        assert!(times.len() > 380, "{}", times.len());
    }
}

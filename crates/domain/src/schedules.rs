//! Schedules: when a test runs again, on whom, and what becomes of runs that were missed.
//!
//! Everything is a pure function of a [`Timing`] and instants the caller brings. Even chance is a
//! value: a machine's [`Lot`] draws the same time for a day however often it is asked, so that a
//! preview is exact and no day is drawn twice (D-51).

pub mod blackout;
pub mod lot;
pub mod missed;
pub mod patience;
pub mod recurrence;
pub mod zone;

use std::str::FromStr;

use jiff::ToSpan as _;
pub use jiff::civil::{Date, Time};

pub use self::{
    blackout::Blackout,
    lot::Lot,
    missed::{Caught, Lateness, MissedRuns},
    patience::Patience,
    recurrence::{Recurrence, Weekdays},
    zone::Zone,
};
use crate::{
    tasks::{UnknownWord, words},
    time::{Span, Timestamp},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScheduleType {
    Once,
    Daily,
    Weekly,
    Monthly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScheduleStatus {
    Active,
    Paused,
    Completed,
    Deleted,
}

/// What becomes of runs whose time passed while nobody made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissedRunPolicy {
    Skip,
    /// One run stands for all of them.
    RunOnce,
    RunAll,
}

/// Who shares a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The configured time.
    Fixed,
    /// A random time that all machines share.
    Fleet,
    /// A random time for each machine.
    PerMachine,
}

words!(ScheduleType { Once = "once", Daily = "daily", Weekly = "weekly", Monthly = "monthly" });
words!(ScheduleStatus {
    Active = "active",
    Paused = "paused",
    Completed = "completed",
    Deleted = "deleted",
});
words!(MissedRunPolicy { Skip = "skip", RunOnce = "run_once", RunAll = "run_all" });
words!(Mode { Fixed = "fixed", Fleet = "fleet", PerMachine = "per_machine" });

/// Runs that could not be made are tried again for this long (D-55).
pub const RETRIED_FOR: Span = Span::hours(1);
/// Agents of one schedule.
pub const MOST_AGENTS: usize = 10_000;
/// Occurrences in a row that blackout windows may swallow before we say that none is left.
const MOST_SKIPS: usize = 1000;
/// After so many it is worth asking whether there is anything to wait for.
const FEW_SKIPS: usize = 30;
/// Candidate dates to look at: today's may have passed, and a zone may have skipped a day.
const MOST_DATES: usize = 4;

/// When a schedule runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    pub recurrence: Recurrence,
    /// What fixed runs start at. Random ones do not look at it.
    pub time: Time,
    pub mode: Mode,
    pub zone: Zone,
    pub blackouts: Vec<Blackout>,
}

impl Timing {
    /// The first occurrence strictly after an instant, blackout windows aside.
    ///
    /// `last` is the last occurrence that ran: whatever is random runs at most once per local day.
    pub fn next(
        &self,
        after: Timestamp,
        last: Option<Timestamp>,
        lot: Lot<'_>,
    ) -> Option<Timestamp> {
        let mut from = self.zone.local(after)?.date();
        if let (Mode::Fleet | Mode::PerMachine, Some(last)) = (self.mode, last) {
            from = from.max(self.zone.local(last)?.date().tomorrow().ok()?);
        }
        for _ in 0..MOST_DATES {
            let date = self.recurrence.next_date(from)?;
            let at = self.zone.instant(date.to_datetime(self.time_on(date, lot)))?;
            if at > after {
                return Some(at);
            }
            from = date.tomorrow().ok()?;
        }
        None
    }

    /// The first occurrence strictly after an instant that no blackout window covers. `None` also when
    /// the patience is spent.
    pub fn next_open(
        &self,
        mut after: Timestamp,
        last: Option<Timestamp>,
        lot: Lot<'_>,
        patience: &mut Patience,
    ) -> Option<Timestamp> {
        for skips in 0..MOST_SKIPS {
            if skips == FEW_SKIPS && !patience.is_ever_open(self) {
                return None;
            }
            let at = self.next(after, last, lot)?;
            match self.blackout(at) {
                None => return Some(at),
                Some(resumed) => after = resumed,
            }
            patience.skip()?;
        }
        None
    }

    /// Whether an occurrence falls into a blackout window; with the instant to look on from.
    pub fn blackout(&self, at: Timestamp) -> Option<Timestamp> {
        let local = self.zone.local(at)?;
        self.blackouts.iter().filter_map(|it| it.covers(at, local)).max()
    }

    /// Whether windows that come back each week leave any time at which it could run.
    fn is_ever_open(&self) -> bool {
        let sunday = Date::constant(2026, 1, 4);
        sunday.series(1.day()).take(7).filter(|it| self.may_run_on(*it)).any(|date| {
            let is_open = |time: Time| {
                let local = date.to_datetime(time);
                !self.blackouts.iter().any(|it| it.covers_weekly(local))
            };
            match self.mode {
                Mode::Fixed => is_open(self.time),
                Mode::Fleet | Mode::PerMachine => lot::times_of(date.weekday()).any(is_open),
            }
        })
    }

    /// By the day of the week alone.
    fn may_run_on(&self, date: Date) -> bool {
        match self.recurrence {
            Recurrence::Weekly(days) => days.contains(date.weekday()),
            Recurrence::Once(_) | Recurrence::Daily | Recurrence::Monthly(_) => true,
        }
    }

    fn time_on(&self, date: Date, lot: Lot<'_>) -> Time {
        match self.mode {
            Mode::Fixed => self.time,
            Mode::Fleet | Mode::PerMachine => lot.time_on(date),
        }
    }
}

/// `HH:MM`, nothing else.
pub fn parse_time(text: &str) -> Option<Time> {
    let [h1, h2, b':', m1, m2] = *text.as_bytes() else { return None };
    Time::new(number(&[h1, h2])?.try_into().ok()?, number(&[m1, m2])?.try_into().ok()?, 0, 0).ok()
}

/// `YYYY-MM-DD`, a day of the calendar.
pub fn parse_date(text: &str) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return None };
    let (month, day) = (number(&[m1, m2])?.try_into().ok()?, number(&[d1, d2])?.try_into().ok()?);
    Date::new(number(&[y1, y2, y3, y4])?, month, day).ok()
}

fn number(digits: &[u8]) -> Option<i16> {
    digits
        .iter()
        .try_fold(0, |number, it| it.is_ascii_digit().then(|| number * 10 + i16::from(it - b'0')))
}

#[cfg(test)]
mod tests;

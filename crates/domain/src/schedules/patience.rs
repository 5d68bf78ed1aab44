//! What may be spent on looking for times outside blackout windows. Each skip is a draw of its own, and
//! ten thousand machines may each need a thousand.

use super::Timing;

/// A second or so of work.
const MOST_SKIPS_OF_A_REQUEST: usize = 100_000;

/// Shared by all machines of one schedule, and by nobody else.
#[derive(Debug, Clone)]
pub struct Patience {
    left: usize,
    is_ever_open: Option<bool>,
}

impl Patience {
    /// For whoever waits for an answer, and may be told to ask for less.
    pub const fn of_a_request() -> Self {
        Self { left: MOST_SKIPS_OF_A_REQUEST, is_ever_open: None }
    }

    /// For what was accepted, and must go on.
    pub const fn of_a_tick() -> Self {
        Self { left: usize::MAX, is_ever_open: None }
    }

    /// Whether something was not found because there was no patience left to look for it.
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }

    pub(super) fn skip(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        (self.left > 0).then_some(())
    }

    /// Decided once: the answer is the same for every machine.
    pub(super) fn is_ever_open(&mut self, timing: &Timing) -> bool {
        *self.is_ever_open.get_or_insert_with(|| timing.is_ever_open())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        schedules::{Blackout, Lot, Mode, Recurrence, Weekdays, Zone, parse_time},
        time::Timestamp,
    };

    fn open_at_noon_only() -> Timing {
        let time = |text| parse_time(text).unwrap();
        let window = |start, end| Blackout::Daily {
            start: time(start),
            end: time(end),
            days: Weekdays::ALL,
        };
        Timing {
            recurrence: Recurrence::Daily,
            time: time("00:00"),
            mode: Mode::PerMachine,
            zone: Zone::named("UTC").unwrap(),
            blackouts: vec![window("12:01", "12:00")],
        }
    }

    fn look(timing: &Timing, machines: u32, patience: &mut Patience) -> usize {
        let ids = (0..machines).map(|it| it.to_string());
        let found = ids.filter_map(|it| {
            let lot = Lot { schedule: "s", agent: Some(&it) };
            timing.next_open(Timestamp(0), None, lot, patience)
        });
        found.count()
    }

    #[test]
    fn a_few_machines_wait_long_and_thousands_ask_for_too_much() {
        let timing = open_at_noon_only();
        let mut patience = Patience::of_a_request();
        assert!(look(&timing, 10, &mut patience) > 5);
        assert!(!patience.is_spent());
        assert!(look(&timing, 10_000, &mut patience) < 1000);
        assert!(patience.is_spent());
    }

    #[test]
    fn ticks_go_on_with_what_was_accepted() {
        let mut patience = Patience::of_a_tick();
        assert!(look(&open_at_noon_only(), 200, &mut patience) > 140);
        assert!(!patience.is_spent());
    }
}

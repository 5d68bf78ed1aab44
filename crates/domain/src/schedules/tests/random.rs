//! Random times: at most one run per local day, whatever happens in between (D-49, D-51).

use jiff::civil::Weekday;
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 4] = ["UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kolkata"];

fn random(text: &str, zone: &str, mode: Mode) -> Timing {
    Timing { mode, ..timing(text, zone) }
}

fn local(timing: &Timing, at: Timestamp) -> jiff::civil::DateTime {
    timing.zone.local(at).unwrap()
}

// D-51, B7 460
#[test]
fn half_a_year_has_as_many_runs_as_days() {
    for (config, days) in [("daily 10:00", 184), ("weekly 1,4 10:00", 53), ("monthly 31 10:00", 6)]
    {
        for zone in ZONES {
            let timing = random(config, zone, Mode::Fleet);
            let (mut at, mut runs) = (instant("2026-06-30T12:00:00Z"), Vec::new());
            let end = local(&timing, instant("2026-12-31T12:00:00Z")).date();
            let mut last = Some(at);
            while let Some(next) = timing.next_open(at, last, LOT, &mut Patience::of_a_tick()) {
                if local(&timing, next).date() > end {
                    break;
                }
                runs.push(local(&timing, next).date());
                (at, last) = (next, Some(next));
            }
            let distinct: std::collections::BTreeSet<_> = runs.iter().collect();
            assert_eq!(distinct.len(), runs.len(), "{config} {zone}");
            assert!(runs.len().abs_diff(days) <= 1, "{config} {zone}: {}", runs.len());
        }
    }
}

// D-49: in zones far east, Friday is no weekend.
#[test]
fn office_hours_are_those_of_the_civil_date() {
    for zone in ["Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let timing = random("daily 10:00", zone, Mode::Fleet);
        let (mut at, mut at_night) = (instant("2026-01-01T00:00:00Z"), 0);
        for _ in 0..365 {
            at = timing.next(at, None, LOT).unwrap();
            let local = local(&timing, at);
            match local.weekday() {
                Weekday::Saturday | Weekday::Sunday => at_night += u32::from(local.hour() < 9),
                day => assert!((9..17).contains(&local.hour()), "{zone}: {day:?} {local}"),
            }
        }
        assert!(at_night > 10, "{zone}: weekends are drawn from all hours: {at_night}");
    }
}

proptest! {
    // Whatever was changed in between: a day that has had its run has no other.
    #[test]
    fn the_next_draw_is_of_a_later_day_than_the_last_run(
        zone in 0..ZONES.len(),
        agent in "[a-z]{1,8}",
        last in 1_700_000_000_000..1_900_000_000_000_i64,
        since in 0..86_400_000_i64,
    ) {
        let timing = random("daily 10:00", ZONES[zone], Mode::PerMachine);
        let lot = Lot { schedule: "s", agent: Some(&agent) };
        let last = Timestamp(last);
        let next = timing.next(Timestamp(last.0 + since), Some(last), lot).unwrap();
        prop_assert!(local(&timing, next).date() > local(&timing, last).date());
        prop_assert!(next.0 > last.0 + since);
    }

    // A preview is exact: asking later changes nothing.
    #[test]
    fn a_draw_does_not_change_while_time_passes(
        agent in "[a-z]{1,8}",
        now in 1_700_000_000_000..1_900_000_000_000_i64,
        share in 0.0..1.0_f64,
    ) {
        let timing = random("weekly 0,2,5 10:00", "America/Los_Angeles", Mode::PerMachine);
        let lot = Lot { schedule: "s", agent: Some(&agent) };
        let next = timing.next(Timestamp(now), None, lot).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share of a week")]
        let later = Timestamp(now + ((next.0 - 1 - now) as f64 * share) as i64);
        prop_assert_eq!(timing.next(later, None, lot), Some(next));
    }
}

//! Next runs against an oracle that only ever asks what the clocks show, minute by minute: around
//! clock changes of ten zones, at midnight and by half hours among them (D-50).

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

/// A zone and a day at which its clocks change.
const CHANGES: [(&str, &str); 20] = [
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    // By half an hour.
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    // At midnight.
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("America/Havana", "2026-03-08"),
    ("America/Havana", "2026-11-01"),
    ("America/Santiago", "2026-04-05"),
    ("America/Santiago", "2026-09-06"),
    // Back from one minute past midnight, into the day before.
    ("America/St_Johns", "2010-11-07"),
    ("America/St_Johns", "2010-03-14"),
    // Winter time is the exception.
    ("Europe/Dublin", "2026-03-29"),
    ("Europe/Dublin", "2026-10-25"),
    // By two hours.
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"),
    // A day that never was.
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Apia", "2012-04-01"),
];

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;

/// The first minute at which clocks have come as far as this.
fn first_minute(zone: &Zone, wall: DateTime) -> Timestamp {
    let near = jiff::tz::TimeZone::UTC.to_timestamp(wall).unwrap().as_millisecond();
    let minutes = (0..2 * 1440 * 2).map(|it| Timestamp(near - 2 * DAY + it * MINUTE));
    minutes.into_iter().find(|it| zone.local(*it).unwrap() >= wall).expect("clocks go on")
}

/// Without a thought: every day of three months that the words name.
fn brute_force(timing: &Timing, after: Timestamp) -> Option<Timestamp> {
    let today = timing.zone.local(after).unwrap().date();
    let first = today.checked_sub(jiff::Span::new().days(3)).unwrap();
    let wanted = |date: &Date| match timing.recurrence {
        Recurrence::Once(_) | Recurrence::Daily => true,
        Recurrence::Weekly(days) => days.contains(date.weekday()),
        Recurrence::Monthly(day) => {
            date.day() == day || date.day() < day && date.day() == date.days_in_month()
        }
    };
    let days = first.series(jiff::Span::new().days(1)).take(70);
    let dates: Vec<_> = match timing.recurrence {
        Recurrence::Once(it) => vec![it],
        _ => days.filter(wanted).collect(),
    };
    let instants =
        dates.into_iter().map(|it| first_minute(&timing.zone, it.to_datetime(timing.time)));
    instants.filter(|it| *it > after).take(3).min()
}

fn recurrences() -> impl Strategy<Value = Recurrence> {
    let days = proptest::sample::subsequence(vec![0, 1, 2, 3, 4, 5, 6], 1..=7);
    prop_oneof![
        Just(Recurrence::Daily),
        days.prop_map(|it| Recurrence::Weekly(Weekdays::of(&it).unwrap())),
        (1..=31_i8).prop_map(Recurrence::Monthly),
        (0..CHANGES.len(), -1..=1_i64).prop_map(|(index, days)| {
            let date = parse_date(CHANGES[index].1).unwrap();
            Recurrence::Once(date.checked_add(jiff::Span::new().days(days)).unwrap())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_next_run_is_what_clocks_on_the_wall_say(
        (change, recurrence) in (0..CHANGES.len(), recurrences()),
        (hour, minute) in prop_oneof![(0..24_i8, 0..60_i8), (0..4_i8, 0..60_i8)],
        offset in -2 * DAY..2 * DAY,
    ) {
        let (zone, date) = CHANGES[change];
        let zone = Zone::named(zone).unwrap();
        let near = first_minute(&zone, parse_date(date).unwrap().at(0, 0, 0, 0));
        let timing = Timing {
            recurrence,
            time: Time::constant(hour, minute, 0, 0),
            mode: Mode::Fixed,
            zone,
            blackouts: Vec::new(),
        };
        let after = Timestamp(near.0 + offset);
        let expected = brute_force(&timing, after);
        prop_assert_eq!(timing.next(after, None, LOT), expected);
    }
}

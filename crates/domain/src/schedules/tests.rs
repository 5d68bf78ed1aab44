//! The documented vectors (fleet.md §10.4), and what holds for any schedule.

mod missed;
mod oracle;
mod random;

use super::*;

const LOT: Lot<'static> = Lot { schedule: "5d9e", agent: None };

/// A fixed timing: `once 2026-02-10 14:00`, `daily 10:00`, `weekly 1,3 10:00`, `monthly 31 10:00`.
fn timing(text: &str, zone: &str) -> Timing {
    let words: Vec<_> = text.split(' ').collect();
    let (recurrence, time) = match *words.as_slice() {
        ["once", date, time] => (Recurrence::Once(parse_date(date).unwrap()), time),
        ["daily", time] => (Recurrence::Daily, time),
        ["weekly", days, time] => {
            let days: Vec<u8> = days.split(',').map(|it| it.parse().unwrap()).collect();
            (Recurrence::Weekly(Weekdays::of(&days).unwrap()), time)
        }
        ["monthly", day, time] => (Recurrence::Monthly(day.parse().unwrap()), time),
        _ => panic!("{text}"),
    };
    Timing {
        recurrence,
        time: parse_time(time).unwrap(),
        mode: Mode::Fixed,
        zone: Zone::named(zone).unwrap(),
        blackouts: Vec::new(),
    }
}

fn instant(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn shown(at: Timestamp) -> String {
    let zone = Zone::named("UTC").unwrap();
    zone.show(at).unwrap().replace("+00:00", "Z")
}

#[track_caller]
fn check(config: &str, zone: &str, after: &str, expected: &str) {
    let next = timing(config, zone).next(instant(after), None, LOT);
    let next = next.map_or("none".to_owned(), shown);
    assert_eq!(next, expected, "{config} {zone} after {after}");
}

// A13 190–194, 197, 198, 200–204, 206
#[test]
fn plain_days_are_those_of_the_vectors() {
    let (newyork, tokyo) = ("America/New_York", "Asia/Tokyo");
    let once = "once 2026-02-10";
    check(&format!("{once} 14:00"), "UTC", "2026-02-09T08:00:00Z", "2026-02-10T14:00:00Z");
    check(&format!("{once} 10:00"), newyork, "2026-02-09T08:00:00Z", "2026-02-10T15:00:00Z");
    check("once 2026-07-10 10:00", newyork, "2026-02-09T08:00:00Z", "2026-07-10T14:00:00Z");
    check(&format!("{once} 09:00"), tokyo, "2026-02-09T00:00:00Z", "2026-02-10T00:00:00Z");
    check(
        &format!("{once} 00:15"),
        "Asia/Kathmandu",
        "2026-02-01T00:00:00Z",
        "2026-02-09T18:30:00Z",
    );
    check("once 2026-02-09 08:00", "UTC", "2026-02-09T08:00:00Z", "none");
    check("daily 10:00", "UTC", "2026-02-09T10:00:00Z", "2026-02-10T10:00:00Z");
    check("daily 10:00", "UTC", "2026-02-09T09:59:59Z", "2026-02-09T10:00:00Z");
    check("daily 23:30", "America/Los_Angeles", "2026-02-09T05:00:00Z", "2026-02-09T07:30:00Z");
    check("daily 00:30", tokyo, "2026-02-09T14:00:00Z", "2026-02-09T15:30:00Z");
    check("daily 00:30", tokyo, "2026-02-09T16:00:00Z", "2026-02-10T15:30:00Z");
    check("weekly 1,3,5 10:00", "UTC", "2026-02-09T11:00:00Z", "2026-02-11T10:00:00Z");
    check("weekly 0 10:00", "UTC", "2026-02-09T11:00:00Z", "2026-02-15T10:00:00Z");
    check("weekly 1 10:00", "UTC", "2026-02-09T10:00:00Z", "2026-02-16T10:00:00Z");
    check("weekly 1 08:00", tokyo, "2026-02-08T22:00:00Z", "2026-02-08T23:00:00Z");
    check("weekly 1 08:00", tokyo, "2026-02-08T23:30:00Z", "2026-02-15T23:00:00Z");
    check("monthly 15 10:00", "UTC", "2026-02-05T08:00:00Z", "2026-02-15T10:00:00Z");
    check("monthly 10 10:00", "UTC", "2026-02-20T08:00:00Z", "2026-03-10T10:00:00Z");
    check("monthly 31 10:00", "UTC", "2026-02-01T08:00:00Z", "2026-02-28T10:00:00Z");
    check("monthly 31 10:00", "UTC", "2026-02-28T11:00:00Z", "2026-03-31T10:00:00Z");
    check("monthly 31 10:00", "UTC", "2028-02-01T00:00:00Z", "2028-02-29T10:00:00Z");
    check("monthly 10 10:00", "UTC", "2026-12-20T08:00:00Z", "2027-01-10T10:00:00Z");
    check("monthly 31 10:00", "UTC", "2027-01-31T11:00:00Z", "2027-02-28T10:00:00Z");
}

// D-50. Where the vectors leave a choice, ours is the first instant after the gap: 07:00Z.
#[test]
fn days_of_clock_changes_are_those_of_the_vectors() {
    let (newyork, berlin) = ("America/New_York", "Europe/Berlin");
    let (spring, autumn) = ("2026-03-08T05:00:00Z", "2026-11-01T04:00:00Z");
    check("daily 01:30", newyork, spring, "2026-03-08T06:30:00Z");
    check("daily 02:30", newyork, spring, "2026-03-08T07:00:00Z");
    check("daily 03:30", newyork, spring, "2026-03-08T07:30:00Z");
    check("daily 05:00", newyork, spring, "2026-03-08T09:00:00Z");
    check("daily 09:00", newyork, spring, "2026-03-08T13:00:00Z");
    check("daily 01:30", newyork, autumn, "2026-11-01T05:30:00Z");
    check("daily 03:00", newyork, autumn, "2026-11-01T08:00:00Z");
    check("daily 07:00", newyork, autumn, "2026-11-01T12:00:00Z");
    let (march, since) = ("once 2026-03-29", "2026-03-01T00:00:00Z");
    check(&format!("{march} 01:30"), berlin, since, "2026-03-29T00:30:00Z");
    check(&format!("{march} 00:30"), berlin, since, "2026-03-28T23:30:00Z");
    check(&format!("{march} 03:30"), berlin, since, "2026-03-29T01:30:00Z");
    check("once 2026-10-25 02:30", berlin, since, "2026-10-25T00:30:00Z");
    check("once 2026-10-25 01:30", berlin, since, "2026-10-24T23:30:00Z");
}

#[test]
fn a_repeated_hour_runs_once() {
    let berlin = timing("daily 02:30", "Europe/Berlin");
    let first = instant("2026-10-25T00:30:00Z");
    assert_eq!(berlin.next(first, None, LOT).map(shown).unwrap(), "2026-10-26T01:30:00Z");
}

// D-28
#[test]
fn only_times_and_days_that_exist_are_read() {
    for text in
        ["", "9am", "9:00", "25:61", "24:00", "12:60", "12:00:00", "+1:00", "１２:00", "12-00"]
    {
        assert_eq!(parse_time(text), None, "{text}");
    }
    for text in
        ["", "2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10", "26-01-01", "2026-1-01"]
    {
        assert_eq!(parse_date(text), None, "{text}");
    }
    assert_eq!(parse_time("23:59").unwrap().to_string(), "23:59:00");
    assert_eq!(parse_date("2028-02-29").unwrap().to_string(), "2028-02-29");
}

#[test]
fn what_a_blackout_covers_is_skipped_and_not_put_off() {
    let mut daily = timing("daily 10:00", "Europe/Madrid");
    daily.blackouts = vec![
        Blackout::Daily {
            start: parse_time("09:00").unwrap(),
            end: parse_time("11:00").unwrap(),
            days: Weekdays::of(&[2, 3]).unwrap(),
        },
        Blackout::Period {
            from: instant("2026-11-26T00:00:00Z"),
            until: instant("2026-12-05T09:00:00Z"),
        },
    ];
    // A Monday; Tuesday and Wednesday are covered each week, then a week and a half altogether.
    let monday = instant("2026-11-23T09:00:00Z");
    let open = daily.next_open(monday, None, LOT, &mut Patience::of_a_tick()).unwrap();
    assert_eq!(shown(open), "2026-12-05T09:00:00Z");
    assert!(daily.blackout(instant("2026-11-24T09:00:00Z")).is_some());
    assert!(daily.blackout(open).is_none());
}

#[test]
fn what_is_never_open_is_told_from_what_is_rarely() {
    let window = |start, end, days: &[u8]| Blackout::Daily {
        start: parse_time(start).unwrap(),
        end: parse_time(end).unwrap(),
        days: Weekdays::of(days).unwrap(),
    };
    let office = window("09:00", "17:00", &[1, 2, 3, 4, 5]);
    let almost = window("09:00", "16:59", &[1, 2, 3, 4, 5]);
    let weekend = window("00:00", "00:00", &[0, 6]);
    for (config, mode, windows, expected) in [
        ("daily 10:00", Mode::Fixed, vec![office], true),
        ("daily 10:00", Mode::Fixed, vec![office, weekend], false),
        ("daily 17:00", Mode::Fixed, vec![office, weekend], true),
        ("weekly 1,3 10:00", Mode::Fixed, vec![office], false),
        ("weekly 0,3 10:00", Mode::Fixed, vec![office], true),
        ("monthly 31 10:00", Mode::Fixed, vec![office], true),
        ("daily 10:00", Mode::PerMachine, vec![office], true),
        ("daily 10:00", Mode::PerMachine, vec![office, weekend], false),
        ("daily 10:00", Mode::Fleet, vec![almost, weekend], true),
        ("weekly 2 20:00", Mode::Fleet, vec![office], false),
    ] {
        let mut timing = timing(config, "UTC");
        (timing.mode, timing.blackouts) = (mode, windows);
        assert_eq!(timing.is_ever_open(), expected, "{timing:?}");
    }
}

/// What is left open between 16:58 and 17:00 is hit by one day in 240.
#[test]
fn a_random_time_that_is_rarely_open_is_found_in_the_end() {
    let mut daily = timing("daily 10:00", "UTC");
    daily.mode = Mode::PerMachine;
    let window = |start, end, days: &[u8]| Blackout::Daily {
        start: parse_time(start).unwrap(),
        end: parse_time(end).unwrap(),
        days: Weekdays::of(days).unwrap(),
    };
    daily.blackouts =
        vec![window("00:00", "16:58", &[1, 2, 3, 4, 5]), window("00:00", "00:00", &[0, 6])];
    let after = instant("2026-11-23T00:00:00Z");
    let far = Span::days(140);
    let open = (0..40).map(|n| {
        let agent = format!("agent-{n}");
        daily.next_open(
            after,
            None,
            Lot { schedule: "5d9e", agent: Some(&agent) },
            &mut Patience::of_a_tick(),
        )
    });
    let open: Vec<_> = open.flatten().collect();
    assert!(open.iter().any(|it| *it > after + far), "some wait for more than a hundred days");
    assert!(open.len() > 36, "{} of 40", open.len());
}

#[test]
fn a_schedule_that_blackouts_swallow_whole_has_no_run() {
    let mut weekly = timing("weekly 1 10:00", "UTC");
    let midnight = parse_time("00:00").unwrap();
    let days = Weekdays::of(&[1]).unwrap();
    weekly.blackouts = vec![Blackout::Daily { start: midnight, end: midnight, days }];
    assert_eq!(
        weekly.next_open(instant("2026-11-23T09:00:00Z"), None, LOT, &mut Patience::of_a_tick()),
        None
    );
}

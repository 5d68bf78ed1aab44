//! The JSON of a schedule's configuration and of its blackout windows, as the domain's timing.
//!
//! Tiers name every fault of a field; what is refused here got past them, and is named as a whole.

use domain::{
    schedules::{
        Blackout, Mode, Recurrence, ScheduleType, Timing, Weekdays, Zone, parse_date, parse_time,
    },
    time::Timestamp,
};
use serde::Deserialize;

/// Which part of the timing cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("schedule_config is not one of its type")]
    Config,
    #[error("timezone is not a name of the IANA database")]
    Zone,
    #[error("blackout_windows are not windows")]
    Blackouts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    date: Option<String>,
    days: Option<Vec<u8>>,
    day_of_month: Option<i8>,
    time: String,
    #[serde(rename = "randomize_time")]
    randomize_time: Option<bool>,
    #[serde(rename = "randomize_mode")]
    randomize_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Window {
    Daily { start: String, end: String, days: Option<Vec<u8>> },
    Period { from: String, until: String },
}

pub(crate) fn read(
    kind: ScheduleType,
    config: &str,
    timezone: &str,
    blackout_windows: &str,
) -> Result<Timing, Unreadable> {
    let config: Config = serde_json::from_str(config).map_err(|_| Unreadable::Config)?;
    let zone = Zone::named(timezone).ok_or(Unreadable::Zone)?;
    let windows: Vec<Window> =
        serde_json::from_str(blackout_windows).map_err(|_| Unreadable::Blackouts)?;
    let blackouts = windows.iter().map(blackout).collect::<Option<_>>();
    Ok(Timing {
        recurrence: recurrence(kind, &config).ok_or(Unreadable::Config)?,
        time: parse_time(&config.time).ok_or(Unreadable::Config)?,
        mode: mode(kind, &config).ok_or(Unreadable::Config)?,
        zone,
        blackouts: blackouts.ok_or(Unreadable::Blackouts)?,
    })
}

/// Of a stored schedule.
pub(crate) fn of(schedule: &store::schedules::Schedule) -> Result<Timing, Unreadable> {
    read(schedule.kind, &schedule.config, &schedule.timezone, &schedule.blackout_windows)
}

/// A configuration has the fields of its type and no others (D-28).
fn recurrence(kind: ScheduleType, config: &Config) -> Option<Recurrence> {
    match (kind, &config.date, &config.days, config.day_of_month) {
        (ScheduleType::Once, Some(date), None, None) => Some(Recurrence::Once(parse_date(date)?)),
        (ScheduleType::Daily, None, None, None) => Some(Recurrence::Daily),
        (ScheduleType::Weekly, None, Some(days), None) => {
            Some(Recurrence::Weekly(Weekdays::of(days)?))
        }
        (ScheduleType::Monthly, None, None, Some(day @ 1..=31)) => Some(Recurrence::Monthly(day)),
        _ => None,
    }
}

/// fleet.md §6.7.1
fn mode(kind: ScheduleType, config: &Config) -> Option<Mode> {
    match (&config.randomize_mode, config.randomize_time) {
        (None, None | Some(false)) => Some(Mode::Fixed),
        _ if kind == ScheduleType::Once => None,
        (Some(mode), _) => mode.parse().ok(),
        (None, Some(true)) => Some(Mode::Fleet),
    }
}

fn blackout(window: &Window) -> Option<Blackout> {
    match window {
        Window::Daily { start, end, days } => Some(Blackout::Daily {
            start: parse_time(start)?,
            end: parse_time(end)?,
            days: days.as_deref().map_or(Some(Weekdays::ALL), Weekdays::of)?,
        }),
        Window::Period { from, until } => {
            let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
            let (from, until) = (instant(from)?, instant(until)?);
            (from < until).then(|| Blackout::Period {
                from: Timestamp(from.as_millisecond()),
                until: Timestamp(until.as_millisecond()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: &str = "UTC";

    fn mode_of(kind: ScheduleType, config: &str) -> Result<Mode, Unreadable> {
        read(kind, config, UTC, "[]").map(|it| it.mode)
    }

    // A13 233–236
    #[test]
    fn the_mode_that_is_named_wins() {
        let daily =
            |more: &str| mode_of(ScheduleType::Daily, &format!(r#"{{"time":"10:00"{more}}}"#));
        assert_eq!(daily(""), Ok(Mode::Fixed));
        assert_eq!(daily(r#","randomize_time":false"#), Ok(Mode::Fixed));
        assert_eq!(daily(r#","randomize_time":true"#), Ok(Mode::Fleet));
        assert_eq!(daily(r#","randomize_time":true,"randomize_mode":"fixed""#), Ok(Mode::Fixed));
        assert_eq!(daily(r#","randomize_mode":"fleet""#), Ok(Mode::Fleet));
        assert_eq!(daily(r#","randomize_mode":"per_machine""#), Ok(Mode::PerMachine));
        assert_eq!(daily(r#","randomize_mode":"x""#), Err(Unreadable::Config));
    }

    // D-28
    #[test]
    fn a_configuration_has_the_shape_of_its_type() {
        let once = r#"{"date":"2026-02-10","time":"10:00"}"#;
        let weekly = r#"{"days":[1],"time":"10:00"}"#;
        let monthly = r#"{"dayOfMonth":31,"time":"10:00"}"#;
        let all = [
            (ScheduleType::Once, once),
            (ScheduleType::Daily, r#"{"time":"10:00"}"#),
            (ScheduleType::Weekly, weekly),
            (ScheduleType::Monthly, monthly),
        ];
        for (kind, _) in all {
            for (of, config) in all {
                assert_eq!(mode_of(kind, config).is_ok(), kind == of, "{kind:?} {config}");
            }
        }
        for config in ["{}", "[]", "", r#"{"time":"10:00","more":1}"#, r#"{"time":"25:61"}"#] {
            assert_eq!(mode_of(ScheduleType::Daily, config), Err(Unreadable::Config), "{config}");
        }
    }

    #[test]
    fn windows_are_of_one_kind_or_the_other() {
        let windows = |it: &str| read(ScheduleType::Daily, r#"{"time":"10:00"}"#, UTC, it);
        assert_eq!(windows(r#"[{"start":"22:00","end":"06:00"}]"#).unwrap().blackouts.len(), 1);
        let period = r#"[{"from":"2026-12-24T00:00:00Z","until":"2026-12-27T00:00:00+01:00"}]"#;
        assert_eq!(windows(period).unwrap().blackouts.len(), 1);
        let backwards = r#"[{"from":"2026-12-24T00:00:00Z","until":"2026-12-24T00:00:00Z"}]"#;
        for wrong in
            ["{}", "[1]", r#"[{"start":"22:00"}]"#, r#"[{"start":"22","end":"1"}]"#, backwards]
        {
            assert_eq!(windows(wrong), Err(Unreadable::Blackouts), "{wrong}");
        }
    }
}

//! `schedule_config` (fleet.md §4.8) and `blackout_windows`: every field checked here (D-28), but for
//! the time zone, whose names the domain knows. Both are kept as JSON in their documented order.

use serde::Serialize;
use web::{
    instant,
    schema::{Length, Object, Text, Whole},
};

use super::words::RandomizeMode;
use crate::bindings::myrmidon::domain::schedules::ScheduleType;

const DAYS: Length = Length { empty: Some("Too small: expected array to have >=1 items"), most: 7 };
const DAY_NUMBERS: Whole = Whole::between(0, 6);
const DAYS_OF_MONTH: Whole = Whole::between(1, 31);
const MOST_WINDOWS: usize = 20;
const WINDOWS: &str = "blackout_windows";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day_of_month: Option<i64>,
    time: String,
    #[serde(rename = "randomize_time", skip_serializing_if = "Option::is_none")]
    randomize_time: Option<bool>,
    #[serde(rename = "randomize_mode", skip_serializing_if = "Option::is_none")]
    randomize_mode: Option<RandomizeMode>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Window {
    Daily {
        start: String,
        end: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        days: Option<Vec<i64>>,
    },
    Period {
        from: String,
        until: String,
    },
}

/// A configuration of this type; of whichever type its fields are of, where none is known.
pub(super) fn config(config: &mut Object<'_>, kind: Option<ScheduleType>) -> String {
    if config.is_outlined() {
        return outline(config);
    }
    let kind = kind.unwrap_or_else(|| guess(config));
    let is_random = kind != ScheduleType::Once;
    let read = Config {
        date: (kind == ScheduleType::Once).then(|| date(config)),
        days: (kind == ScheduleType::Weekly).then(|| days(config)),
        day_of_month: (kind == ScheduleType::Monthly)
            .then(|| config.integer("dayOfMonth", DAYS_OF_MONTH)),
        time: time(config, "time"),
        randomize_time: if is_random { config.optional_boolean("randomize_time") } else { None },
        randomize_mode: if is_random { config.optional_choice("randomize_mode") } else { None },
    };
    config.refuse_others();
    serde_json::to_string(&read).unwrap_or_default()
}

/// The fields of all types.
fn outline(config: &mut Object<'_>) -> String {
    config.optional_string("date", Text::filled(10));
    config.optional_integers("days", DAYS, DAY_NUMBERS);
    config.optional_integer("dayOfMonth", DAYS_OF_MONTH);
    time(config, "time");
    config.optional_boolean("randomize_time");
    config.optional_choice::<RandomizeMode>("randomize_mode");
    String::new()
}

fn guess(config: &Object<'_>) -> ScheduleType {
    match config {
        it if it.has("date") => ScheduleType::Once,
        it if it.has("days") => ScheduleType::Weekly,
        it if it.has("dayOfMonth") => ScheduleType::Monthly,
        _ => ScheduleType::Daily,
    }
}

/// None where the body says nothing of them.
pub(super) fn windows(body: &mut Object<'_>) -> Option<String> {
    let given = body.has(WINDOWS);
    let windows = body.objects(WINDOWS, MOST_WINDOWS, window);
    given.then(|| serde_json::to_string(&windows).unwrap_or_default())
}

fn window(window: &mut Object<'_>) -> Window {
    if window.is_outlined() {
        for key in ["start", "end", "from", "until"] {
            window.optional_string(key, Text::filled(64));
        }
        window.optional_integers("days", DAYS, DAY_NUMBERS);
        return Window::Period { from: String::new(), until: String::new() };
    }
    let read = if window.has("from") || window.has("until") {
        let (from, until) = (moment(window, "from"), moment(window, "until"));
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            window.issue("until", "Invalid input: expected an instant after from");
        }
        let shown = |it: Option<i64>| instant::Text::of(it.unwrap_or_default()).as_str().to_owned();
        Window::Period { from: shown(from), until: shown(until) }
    } else {
        Window::Daily {
            start: time(window, "start"),
            end: time(window, "end"),
            days: window.has("days").then(|| days(window)),
        }
    };
    window.refuse_others();
    read
}

fn days(object: &mut Object<'_>) -> Vec<i64> {
    let days = object.integers("days", DAYS, DAY_NUMBERS);
    let distinct: std::collections::BTreeSet<_> = days.iter().collect();
    if distinct.len() < days.len() {
        object.issue("days", "Invalid input: expected distinct days");
    }
    days
}

fn time(object: &mut Object<'_>, key: &str) -> String {
    let text = object.string(key, Text::required(5, "Invalid input: expected HH:MM"));
    let is_time = text.len() == 5 && instant::parse(&format!("2000-01-01T{text}:00Z")).is_some();
    if !text.is_empty() && !is_time {
        object.issue(key, "Invalid input: expected HH:MM");
    }
    text
}

fn date(object: &mut Object<'_>) -> String {
    let expected = "Invalid input: expected a date of the calendar, YYYY-MM-DD";
    let text = object.string("date", Text::required(10, expected));
    let is_date = text.len() == 10 && instant::parse(&format!("{text}T00:00:00Z")).is_some();
    if !text.is_empty() && !is_date {
        object.issue("date", expected);
    }
    text
}

fn moment(object: &mut Object<'_>, key: &str) -> Option<i64> {
    let text = object.string(key, Text::required(64, "Invalid input: expected an instant"));
    let at = instant::parse(&text);
    if !text.is_empty() && at.is_none() {
        object.issue(key, "Invalid input: expected an instant, ISO 8601");
    }
    at
}

//! What the bodies that make and change schedules have in common.

use web::schema::{Length, Object, Text, Whole};

use crate::bindings::myrmidon::domain::schedules::MissedRunPolicy;

/// Agents of one schedule.
const MOST_AGENTS: usize = 10_000;
/// The longest name in the IANA database has 32 characters.
pub(super) const ZONE: Text = Text::filled(64);
pub(super) const NAME: Text = Text::any(255);

const DAY: u32 = 86_400;

pub(super) const AGENT: Text = Text::any(255);

/// `empty` is what to say of an empty list; none where it is fine.
pub(super) const fn agents(empty: Option<&'static str>) -> Length {
    Length { empty, most: MOST_AGENTS }
}

pub(super) fn execution_timeout(body: &mut Object<'_>) -> Option<u32> {
    body.optional_count("execution_timeout", Whole::positive(u32::MAX.into()))
}

pub(super) fn priority(body: &mut Object<'_>) -> Option<u8> {
    let priority = body.optional_count("priority", Whole::between(0, 10))?;
    Some(u8::try_from(priority).unwrap_or_default())
}

/// One run for all that were missed within a day, unless the body says otherwise.
pub(super) fn missed_runs(body: &mut Object<'_>) -> (Option<MissedRunPolicy>, Option<u32>) {
    let window = Whole::between(60, i64::from(7 * DAY));
    let policy = body.optional_choice("missed_run_policy");
    (policy, body.optional_count("missed_run_window_seconds", window))
}

pub(super) const USUAL_WINDOW_SECONDS: u32 = DAY;

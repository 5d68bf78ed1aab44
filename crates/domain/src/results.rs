//! Results: what the exit code of a test means, when it happened, and how often we try to store it.
//!
//! [`documents`] makes of one task what is stored: a document per test or control (fleet.md §6.9).

pub mod documents;

use crate::time::{Span, Timestamp};

/// After so many attempts a result waits for a person (D-78).
pub const MOST_ATTEMPTS: u32 = 10;
/// How long the second attempt waits; each further one twice as long as the one before.
pub const FIRST_WAIT: Span = Span::seconds(60);
pub const LONGEST_WAIT: Span = Span::hours(6);

/// How far an agent's clock may be off before ours is believed instead (D-57).
const TOLERANCE: Span = Span::seconds(300);

/// What a test or control came to. Only the first two say how well a machine is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Protected,
    Unprotected,
    /// It ran, and nobody knows what that means.
    Inconclusive,
    /// It could not run on this machine.
    Contextual,
    Error,
    /// It was not run at all, whatever code it shows.
    Skipped,
}

impl Outcome {
    pub const ALL: &[Self] = &[
        Self::Protected,
        Self::Unprotected,
        Self::Inconclusive,
        Self::Contextual,
        Self::Error,
        Self::Skipped,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Unprotected => "unprotected",
            Self::Inconclusive => "inconclusive",
            Self::Contextual => "contextual",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }

    /// A code that the table does not have, such as the -1 of a time-out, is inconclusive (D-77).
    pub const fn of_code(code: i64) -> Self {
        match code {
            105 | 126 | 127 => Self::Protected,
            101 => Self::Unprotected,
            1 => Self::Contextual,
            999 => Self::Error,
            _ => Self::Inconclusive,
        }
    }
}

/// The name of an exit code: fleet.md §6.9.
pub fn code_name(code: i64) -> String {
    let name = match code {
        0 => "NormalExit",
        1 => "BinaryNotRecognized",
        101 => "Unprotected",
        105 => "FileQuarantinedOnExtraction",
        126 => "ExecutionPrevented",
        127 => "QuarantinedOnExecution",
        200 => "NoOutput",
        259 => "StillActive",
        999 => "UnexpectedTestError",
        _ => return format!("Unknown ({code})"),
    };
    name.to_owned()
}

/// When a test ended, as its agent says, unless that cannot be: before it was handed out, or after
/// we heard of it, each by more than clocks differ. Then it is when we heard of it (D-57).
pub fn event_at(claimed: &str, assigned_at: Timestamp, received_at: Timestamp) -> Timestamp {
    let possible = (assigned_at - TOLERANCE)..=(received_at + TOLERANCE);
    let claimed = claimed.parse::<jiff::Timestamp>().ok();
    claimed
        .map(|it| Timestamp(it.as_millisecond()))
        .filter(|it| possible.contains(it))
        .unwrap_or(received_at)
}

/// The index that a task names, where it may be named: one of results, and only one (D-57).
pub fn permitted_index(name: &str) -> Option<&str> {
    let suffix = name.strip_prefix("achilles-results-")?;
    let is_plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"._-".contains(&it);
    (name.len() <= 255 && suffix.bytes().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(code: i64, outcome: Outcome, name: &str) {
        assert_eq!((Outcome::of_code(code), code_name(code).as_str()), (outcome, name));
    }

    // A11 151–157
    #[test]
    fn codes_mean_what_the_table_says() {
        check(0, Outcome::Inconclusive, "NormalExit");
        check(1, Outcome::Contextual, "BinaryNotRecognized");
        check(101, Outcome::Unprotected, "Unprotected");
        check(105, Outcome::Protected, "FileQuarantinedOnExtraction");
        check(126, Outcome::Protected, "ExecutionPrevented");
        check(127, Outcome::Protected, "QuarantinedOnExecution");
        check(200, Outcome::Inconclusive, "NoOutput");
        check(259, Outcome::Inconclusive, "StillActive");
        check(999, Outcome::Error, "UnexpectedTestError");
        check(42, Outcome::Inconclusive, "Unknown (42)");
        check(-1, Outcome::Inconclusive, "Unknown (-1)");
    }

    /// 2026-07-11T09:20:00Z, and two minutes later.
    const ASSIGNED: Timestamp = Timestamp(1_783_761_600_000);
    const RECEIVED: Timestamp = Timestamp(ASSIGNED.0 + 120_000);

    #[track_caller]
    fn happens(claimed: &str, expected: Timestamp) {
        assert_eq!(event_at(claimed, ASSIGNED, RECEIVED), expected, "{claimed}");
    }

    // A11 148
    #[test]
    fn the_agents_clock_is_believed_while_it_can_be_right() {
        happens("2026-07-11T09:20:44Z", ASSIGNED + Span::seconds(44));
        happens("2026-07-11T11:20:44.5+02:00", Timestamp(ASSIGNED.0 + 44_500));
        happens("2026-07-11T09:15:00Z", ASSIGNED - Span::seconds(300));
        happens("2026-07-11T09:27:00Z", RECEIVED + Span::seconds(300));
    }

    // D-57
    #[test]
    fn a_clock_that_is_wrong_is_not_believed() {
        for claimed in [
            "2026-07-11T09:14:59.999Z",
            "2026-07-11T09:27:00.001Z",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "now",
            "1783761644",
            "",
        ] {
            happens(claimed, RECEIVED);
        }
    }

    // D-57
    #[test]
    fn only_an_index_of_results_may_be_named() {
        assert_eq!(permitted_index("achilles-results-lab"), Some("achilles-results-lab"));
        let long = format!("achilles-results-{}", "x".repeat(239));
        for name in [
            ".security",
            "achilles-result",
            "achilles-results-*",
            "achilles-results-a,b",
            "achilles-results-A",
            "x-achilles-results-",
            &long,
        ] {
            assert_eq!(permitted_index(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_of_an_agent_chooses_a_time_outside_of_the_tasks_life(claimed in "\\PC{0,40}") {
            let at = event_at(&claimed, ASSIGNED, RECEIVED);
            prop_assert!(at >= ASSIGNED - TOLERANCE && at <= RECEIVED + TOLERANCE);
        }
    }
}

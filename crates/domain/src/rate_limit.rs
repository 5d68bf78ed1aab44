//! Fixed windows: how many requests a caller may make, and what is left of them.
//!
//! The first request opens the window. Counting is the store's; this says what a count means.

use crate::time::{Span, Timestamp};

/// How many requests in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub requests: u32,
    pub window_seconds: u32,
}

/// All of a device's requests but its results.
pub const DEVICE: Limit = Limit { requests: 30, window_seconds: 60 };
/// A queue of results that piled up during an outage must drain (D-08).
pub const RESULTS: Limit = Limit { requests: 300, window_seconds: 60 };
pub const ENROLLMENT: Limit = Limit { requests: 300, window_seconds: 900 };
pub const DOWNLOAD: Limit = Limit { requests: 300, window_seconds: 900 };
pub const KEY_ROTATION: Limit = Limit { requests: 3, window_seconds: 900 };
pub const PERSON: Limit = Limit { requests: 1000, window_seconds: 900 };

/// What is left after a request was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub limit: Limit,
    pub remaining: u32,
    /// Until the window ends, at least 1.
    pub reset_seconds: u32,
}

/// A counted request: its caller's budget, and whether it was within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub budget: Budget,
    pub allowed: bool,
}

impl Limit {
    pub const fn window(self) -> Span {
        Span::seconds(self.window_seconds as i64)
    }

    /// Judges the `used`th request of the window that opened at `started_at`.
    pub fn judge(self, used: u32, started_at: Timestamp, now: Timestamp) -> Counted {
        let left = (started_at + self.window()).0.saturating_sub(now.0);
        let reset = left.saturating_add(999) / 1000;
        let reset_seconds = reset.clamp(1, i64::from(self.window_seconds.max(1)));
        Counted {
            budget: Budget {
                limit: self,
                remaining: self.requests.saturating_sub(used),
                reset_seconds: u32::try_from(reset_seconds).unwrap_or(self.window_seconds),
            },
            allowed: used <= self.requests,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(used: u32, now: i64, expected: (u32, u32, bool)) {
        let counted = DEVICE.judge(used, Timestamp(0), Timestamp(now));
        let Budget { remaining, reset_seconds, .. } = counted.budget;
        assert_eq!((remaining, reset_seconds, counted.allowed), expected);
    }

    #[test]
    fn the_first_request_leaves_all_but_one() {
        check(1, 0, (29, 60, true));
    }

    #[test]
    fn the_last_request_is_allowed_and_the_next_is_not() {
        check(30, 0, (0, 60, true));
        check(31, 0, (0, 60, false));
    }

    #[test]
    fn the_reset_is_rounded_up_and_at_least_a_second() {
        check(1, 1, (29, 60, true));
        check(1, 1000, (29, 59, true));
        check(1, 59_999, (29, 1, true));
        check(1, 90_000, (29, 1, true));
    }

    #[test]
    fn a_clock_that_went_back_does_not_stretch_the_window() {
        check(1, -500_000, (29, 60, true));
    }
}

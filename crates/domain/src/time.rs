//! Instants and spans. Where an instant comes from is the caller's business.

use std::ops::{Add, Sub};

/// An instant: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A span of time in milliseconds; negative ones point into the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub const fn millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn hours(hours: i64) -> Self {
        Self::seconds(hours.saturating_mul(3600))
    }

    pub const fn days(days: i64) -> Self {
        Self::hours(days.saturating_mul(24))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl Timestamp {
    /// How far apart two instants are, whichever comes first.
    pub const fn distance(self, other: Self) -> Span {
        let apart = self.0.saturating_sub(other.0).saturating_abs();
        Span(apart)
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_has_no_direction() {
        assert_eq!(Timestamp(5).distance(Timestamp(2005)), Span::seconds(2));
        assert_eq!(Timestamp(2005).distance(Timestamp(5)), Span::seconds(2));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        assert_eq!(Timestamp(i64::MAX) + Span::days(1), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN) - Span::days(1), Timestamp(i64::MIN));
        assert_eq!(Timestamp(i64::MIN).distance(Timestamp(1)).as_millis(), i64::MAX);
    }
}

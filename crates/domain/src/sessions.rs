//! What a person who signed in is given, and for how long it is good.

use crate::{
    rate_limit::Limit,
    secrets::{Secret, hex_of},
    time::Span,
};

/// How a session began, which says how it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With a password. Each refresh token works once.
    Local,
    /// A device that a person approved. Its refresh token works until it expires: the public
    /// client never stores a new one (console.md §6.1).
    Cli,
}

/// A session that is not refreshed for so long is over.
pub const REFRESH_LIFE: Span = Span::days(30);

/// Wrong passwords, per account and address. The last of them locks for a whole window.
pub const FAILURES: Limit = Limit { requests: 10, window_seconds: 900 };
/// Whatever the account: each attempt costs much on purpose.
pub const SIGN_INS: Limit = Limit { requests: 100, window_seconds: 900 };
/// Refresh tokens that are nobody's, per address.
pub const REFRESHES: Limit = Limit { requests: 10, window_seconds: 900 };

impl Kind {
    /// Of an access token.
    pub const fn access_life(self) -> Span {
        match self {
            Self::Local => Span::seconds(15 * 60),
            Self::Cli => Span::hours(1),
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cli => "cli",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "local" => Ok(Self::Local),
            "cli" => Ok(Self::Cli),
            _ => Err(UnknownKind),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of session")]
pub struct UnknownKind;

/// 64 lower-case hexadecimal digits: a refresh token, or the secret of an invitation.
pub fn opaque(random: &[u8; 32]) -> Secret {
    Secret::new(hex_of(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_a_word() {
        for kind in [Kind::Local, Kind::Cli] {
            assert_eq!(kind.word().parse(), Ok(kind));
        }
        assert_eq!("".parse::<Kind>(), Err(UnknownKind));
    }

    #[test]
    fn an_access_token_ends_long_before_its_refresh_token() {
        for kind in [Kind::Local, Kind::Cli] {
            assert!(kind.access_life() < REFRESH_LIFE);
        }
    }
}

//! Keys of machines that act for an organisation (console.md §5.1).

use std::str::FromStr;

use crate::{
    permissions::{Role, TABLE},
    rate_limit::Limit,
    secrets::{Secret, hex_of},
};

pub const PREFIX: &str = "pa_";
/// Bytes of a key that lists show.
pub const SHOWN: usize = 12;
/// How old a remembered use may grow before it is written again.
pub const USE_RESOLUTION_MS: i64 = 60_000;
/// Keys that are nobody's, per address. Good keys have a budget of their own.
pub const STRANGERS: Limit = Limit { requests: 60, window_seconds: 60 };

/// What a key allows. None of them manages people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Every permission that ends in `read`.
    Read,
    /// What an operator may do.
    ReadWrite,
    Analyst,
    Explorer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown grant of an API key")]
pub struct UnknownGrant;

impl Grant {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
            Self::Analyst => "analyst",
            Self::Explorer => "explorer",
        }
    }

    /// Rows of [`TABLE`].
    pub fn permissions(self) -> Vec<usize> {
        let rows = |role: Role| role.permissions().map(|(row, _)| row).collect();
        match self {
            Self::Read => {
                let reads =
                    TABLE.iter().enumerate().filter(|(_, (name, _))| name.ends_with(":read"));
                reads.map(|(row, _)| row).collect()
            }
            Self::ReadWrite => rows(Role::Operator),
            Self::Analyst => rows(Role::Analyst),
            Self::Explorer => rows(Role::Explorer),
        }
    }
}

impl FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "read" => Ok(Self::Read),
            "read-write" => Ok(Self::ReadWrite),
            "analyst" => Ok(Self::Analyst),
            "explorer" => Ok(Self::Explorer),
            _ => Err(UnknownGrant),
        }
    }
}

/// `pa_` and 64 lower-case hexadecimal digits.
pub fn key(random: &[u8; 32]) -> Secret {
    Secret::new(format!("{PREFIX}{}", hex_of(random)))
}

/// The part of a key that tells keys apart and opens nothing.
pub fn shown(key: &Secret) -> String {
    key.expose().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(grant: Grant) -> Vec<&'static str> {
        grant.permissions().into_iter().map(|row| TABLE[row].0).collect()
    }

    #[test]
    fn a_reading_key_only_reads() {
        let names = names(Grant::Read);
        assert_eq!(names.len(), 12);
        assert!(names.iter().all(|it| it.ends_with(":read")), "{names:?}");
    }

    #[test]
    fn no_key_manages_people_or_deletes_agents() {
        for grant in [Grant::Read, Grant::ReadWrite, Grant::Analyst, Grant::Explorer] {
            assert_eq!(grant.word().parse(), Ok(grant));
            let names = names(grant);
            assert!(!names.contains(&"settings:users:manage"), "{grant:?}");
            assert!(!names.contains(&"endpoints:agents:delete"), "{grant:?}");
        }
        assert_eq!(names(Grant::ReadWrite).len(), 24);
        assert_eq!("admin".parse::<Grant>(), Err(UnknownGrant));
    }

    #[test]
    fn what_is_shown_of_a_key_is_its_beginning() {
        let key = key(&[0xab; 32]);
        assert_eq!((key.expose().len(), shown(&key).as_str()), (67, "pa_ababababa"));
    }
}

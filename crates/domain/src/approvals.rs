//! What an organisation lets nobody do alone, and what a second person may decide.

use std::str::FromStr;

use crate::time::Span;

/// What waits for another person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalKind {
    Command,
    Uninstall,
    MandatoryUpdate,
    /// That less is asked for from now on.
    Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalStatus {
    Pending,
    Approved,
    Denied,
    Expired,
}

/// Not a word of the closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

/// What an organisation wants two people for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demands {
    pub commands: bool,
    pub uninstalls: bool,
    pub mandatory_updates: bool,
}

/// Nobody decides after that.
pub const LIFETIME: Span = Span::hours(24);

/// How callers by API key are named: no persons.
const API_KEY: &str = "apikey:";

impl ApprovalKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Uninstall => "uninstall",
            Self::MandatoryUpdate => "mandatory_update",
            Self::Settings => "settings",
        }
    }
}

impl ApprovalStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending_approval",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for ApprovalKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Command, Self::Uninstall, Self::MandatoryUpdate, Self::Settings];
        all.into_iter().find(|it| it.as_str() == text).ok_or(UnknownWord)
    }
}

impl FromStr for ApprovalStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Pending, Self::Approved, Self::Denied, Self::Expired];
        all.into_iter().find(|it| it.as_str() == text).ok_or(UnknownWord)
    }
}

/// Whether it is a person who calls; a key may ask for something, and approve nothing.
pub fn is_person(user_id: &str) -> bool {
    !user_id.starts_with(API_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back() {
        assert_eq!("mandatory_update".parse(), Ok(ApprovalKind::MandatoryUpdate));
        assert_eq!("pending_approval".parse(), Ok(ApprovalStatus::Pending));
        assert_eq!("Approved".parse::<ApprovalStatus>(), Err(UnknownWord));
    }

    #[test]
    fn a_key_is_nobody() {
        assert!(is_person("user_2ab"));
        assert!(!is_person("apikey:0b1c"));
    }
}

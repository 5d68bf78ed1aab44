//! Agents: what operators decide about them and what their silence means.

use std::str::FromStr;

use crate::time::{Span, Timestamp};

/// An agent that has been silent this long is offline.
pub const OFFLINE_AFTER: Span = Span::seconds(180);
/// Work of an agent that has been silent for longer than this is given up.
pub const LOST_AFTER: Span = Span::seconds(360);
/// How long heartbeat samples are kept.
pub const HISTORY_RETENTION: Span = Span::days(30);

/// What an operator decided about an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentStatus {
    Active,
    Disabled,
    Decommissioned,
    Uninstalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown agent status")]
pub struct UnknownStatus;

impl AgentStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Decommissioned => "decommissioned",
            Self::Uninstalled => "uninstalled",
        }
    }
}

impl FromStr for AgentStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            "decommissioned" => Ok(Self::Decommissioned),
            "uninstalled" => Ok(Self::Uninstalled),
            _ => Err(UnknownStatus),
        }
    }
}

/// Of an agent (D-29).
pub const MOST_TAGS: usize = 50;
/// In UTF-16 units.
pub const LONGEST_TAG: usize = 64;

/// What an agent says it is doing; `Offline` is what we say when it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuntimeStatus {
    Idle,
    Executing,
    Updating,
    Error,
    Offline,
}

impl RuntimeStatus {
    /// What an agent that is online said in its last heartbeat. Agents that say nothing we know are idle.
    pub fn of_heartbeat(text: Option<&str>) -> Self {
        match text {
            Some("executing") => Self::Executing,
            Some("updating") => Self::Updating,
            Some("error") => Self::Error,
            Some("offline") => Self::Offline,
            Some(_) | None => Self::Idle,
        }
    }
}

/// The one meaning of online: active, and heard of less than 180 s ago (D-84).
pub fn is_online(status: AgentStatus, last_heartbeat: Option<Timestamp>, now: Timestamp) -> bool {
    status == AgentStatus::Active && last_heartbeat.is_some_and(|it| it > online_since(now))
}

/// Who has been heard of after this instant is online.
pub fn online_since(now: Timestamp) -> Timestamp {
    now - OFFLINE_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[track_caller]
    fn check(status: AgentStatus, last_heartbeat: Option<i64>, expected: bool) {
        assert_eq!(is_online(status, last_heartbeat.map(Timestamp), NOW), expected);
    }

    #[test]
    fn online_is_heard_of_strictly_less_than_three_minutes_ago() {
        check(AgentStatus::Active, Some(NOW.0), true);
        check(AgentStatus::Active, Some(NOW.0 - 179_999), true);
        check(AgentStatus::Active, Some(NOW.0 - 180_000), false);
        check(AgentStatus::Active, None, false);
    }

    #[test]
    fn only_active_agents_are_online() {
        for status in [AgentStatus::Disabled, AgentStatus::Decommissioned, AgentStatus::Uninstalled]
        {
            check(status, Some(NOW.0), false);
        }
    }

    #[test]
    fn a_status_is_read_as_it_is_written() {
        use AgentStatus::{Active, Decommissioned, Disabled, Uninstalled};
        for status in [Active, Disabled, Decommissioned, Uninstalled] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("gone".parse::<AgentStatus>(), Err(UnknownStatus));
    }

    #[test]
    fn an_agent_that_does_not_say_what_it_does_is_idle() {
        assert_eq!(RuntimeStatus::of_heartbeat(Some("executing")), RuntimeStatus::Executing);
        assert_eq!(RuntimeStatus::of_heartbeat(Some("dreaming")), RuntimeStatus::Idle);
        assert_eq!(RuntimeStatus::of_heartbeat(None), RuntimeStatus::Idle);
    }
}

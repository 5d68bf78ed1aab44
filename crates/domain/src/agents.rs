//! Agents: what operators decide about them and what their silence means.

use std::str::FromStr;

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

//! Tasks: their life, and what an agent's report does to one.
//!
//! The store guards each transition with the same conditions in SQL; these are the words for what
//! it turned down. Every change is a compare-and-set, so a decision here never overwrites anything.

pub mod eligibility;

use std::str::FromStr;

use crate::time::{Span, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskStatus {
    Pending,
    Assigned,
    Downloading,
    Executing,
    Completed,
    Failed,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskType {
    ExecuteTest,
    UpdateAgent,
    Uninstall,
    ExecuteCommand,
}

/// Who ended a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The agent, with its result.
    Result,
    /// The agent, saying that it failed.
    Report,
    /// The passing of time, or the end of its agent.
    Sweep,
    /// An operator's cancellation.
    Person,
}

/// Not a word of the closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord) }
            }
        }
    };
}

pub(crate) use words;

words!(TaskStatus {
    Pending = "pending",
    Assigned = "assigned",
    Downloading = "downloading",
    Executing = "executing",
    Completed = "completed",
    Failed = "failed",
    Expired = "expired",
});

words!(TaskType {
    ExecuteTest = "execute_test",
    UpdateAgent = "update_agent",
    Uninstall = "uninstall",
    ExecuteCommand = "execute_command",
});

words!(EndedBy { Result = "result", Report = "report", Sweep = "sweep", Person = "person" });

/// A task that was claimed this long ago, by an agent that asks for work again, was never received
/// (D-46): agents poll only while idle.
pub const LOST_AFTER: Span = Span::seconds(20);
/// What a download may take beyond anything else (D-62).
pub const DOWNLOAD_ALLOWANCE: Span = Span::seconds(300);
/// What reporting may take beyond the work itself.
pub const REPORTING_ALLOWANCE: Span = Span::seconds(120);

/// Tests, commands and updates wait this long for their agent, in seconds.
pub const TIME_TO_LIVE: u32 = 604_800;
pub const UNINSTALL_TIME_TO_LIVE: u32 = 86_400;
pub const UPDATE_TIMEOUT: u32 = 600;
pub const UNINSTALL_TIMEOUT: u32 = 300;
pub const UNINSTALL_PRIORITY: u8 = 10;
pub const DEFAULT_PRIORITY: u8 = 1;
pub const DEFAULT_MAX_RETRIES: u32 = 2;
/// What the history of a task's notes keeps (D-75).
pub const MOST_NOTES: u32 = 100;

/// What a decision about a report looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub kind: TaskType,
    pub status: TaskStatus,
    pub ended_by: Option<EndedBy>,
}

/// What an agent says of its own task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    Status(TaskStatus),
    Result,
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Recorded,
    /// The task had ended; nothing changes, and the agent need not know more.
    AlreadyEnded,
    /// The task had ended, and the agent must not go on with it (D-41).
    Stopped,
    /// As if there were no such task.
    Unknown,
    Invalid {
        from: TaskStatus,
        to: TaskStatus,
    },
}

impl TaskStatus {
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired)
    }
}

impl State {
    pub fn judge(self, report: Report) -> Verdict {
        match report {
            Report::Status(to) if self.status.has_ended() => ended(to),
            Report::Status(to) => self.advance(to),
            Report::Result => self.conclude(),
        }
    }

    /// §6.6, less what only the server may do (D-80). Saying the same twice is a retry.
    fn advance(self, to: TaskStatus) -> Verdict {
        use TaskStatus::{Assigned, Downloading, Executing, Failed};
        match (self.status, to) {
            (Assigned | Downloading, Downloading)
            | (Assigned | Downloading | Executing, Executing | Failed) => Verdict::Recorded,
            (from, to) => Verdict::Invalid { from, to },
        }
    }

    /// A result is taken once, even after we gave the task up (D-48), but never against an earlier
    /// result or a person. The agent that would uninstall itself although cancelled hears of nothing.
    fn conclude(self) -> Verdict {
        use TaskStatus::{Assigned, Completed, Downloading, Executing, Expired, Failed, Pending};
        match (self.status, self.ended_by) {
            (Downloading | Executing, _)
            | (Failed | Expired, Some(EndedBy::Report | EndedBy::Sweep)) => Verdict::Recorded,
            (from @ (Pending | Assigned), _) => Verdict::Invalid { from, to: Completed },
            (Expired, Some(EndedBy::Person)) if self.kind == TaskType::Uninstall => {
                Verdict::Unknown
            }
            (Completed | Failed | Expired, _) => Verdict::AlreadyEnded,
        }
    }
}

/// Work that goes on is stopped; what merely ends it again is an old message.
fn ended(to: TaskStatus) -> Verdict {
    use TaskStatus::{Assigned, Completed, Downloading, Executing, Expired, Failed, Pending};
    match to {
        Downloading | Executing => Verdict::Stopped,
        Pending | Assigned | Completed | Failed | Expired => Verdict::AlreadyEnded,
    }
}

/// When a task that was created now stops waiting for its agent.
pub fn expires_at(created_at: Timestamp, ttl_seconds: u32) -> Timestamp {
    created_at + Span::seconds(ttl_seconds.into())
}

#[cfg(test)]
mod tests;

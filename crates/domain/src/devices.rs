//! Device authentication: when a request of an agent reaches its work, and what follows when not.
//!
//! The store answers the common case in the statement that does the work (fleet.md §2.2); these are
//! the decisions for what that statement turned down.

use crate::{
    agents::AgentStatus,
    ids::AgentId,
    rate_limit::Limit,
    secrets::{Digest, Secret, hex_of},
    time::{Span, Timestamp},
};

/// How far an agent's clock may be from ours, inclusive.
const CLOCK_TOLERANCE: Span = Span::seconds(300);

/// How long the key before the last rotation is kept, for an agent that lost its new one (D-66).
pub const RECOVERY_WINDOW: Span = Span::days(7);

/// §2.2 step 7: exactly 300 s passes, in either direction.
pub fn is_fresh(requested_at: Timestamp, now: Timestamp) -> bool {
    requested_at.distance(now) <= CLOCK_TOLERANCE
}

/// `ak_` and 64 lower-case hexadecimal digits.
pub fn agent_key(random: &[u8; 32]) -> Secret {
    Secret::new(format!("ak_{}", hex_of(random)))
}

/// What a request of an agent shows: who it says it is, and the digest of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    pub agent: AgentId,
    pub key: Digest,
}

/// What we know of the agent that a request names, and of the key it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub status: AgentStatus,
    pub current: Digest,
    pub pending: Option<Digest>,
    pub previous: Option<(Digest, Timestamp)>,
}

/// What the presented key is to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It opens.
    Accepted,
    /// It opens once it has been made the current one.
    Promotable,
    /// It opened until its agent uninstalled itself, which the agent may say again (D-68).
    Departed,
    Rejected,
}

impl Credentials {
    /// The previous key opens only while a new one waits: otherwise promotion would end nothing.
    pub fn standing(&self, key: &Digest, now: Timestamp) -> Standing {
        let recoverable = self.pending.is_some()
            && self.previous.is_some_and(|(it, expires_at)| it == *key && expires_at > now);
        let own = self.current == *key || self.pending == Some(*key);
        if self.status == AgentStatus::Uninstalled && own {
            Standing::Departed
        } else if self.status != AgentStatus::Active {
            Standing::Rejected
        } else if self.current == *key || recoverable {
            Standing::Accepted
        } else if self.pending == Some(*key) {
            Standing::Promotable
        } else {
            Standing::Rejected
        }
    }
}

/// Whether a window has room for one more request.
pub fn has_room(limit: Limit, used: u32, started_at: Timestamp, now: Timestamp) -> bool {
    used < limit.requests || started_at <= now - limit.window()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::DEVICE;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn rotating() -> Credentials {
        Credentials {
            status: AgentStatus::Active,
            current: Digest::of("current"),
            pending: Some(Digest::of("pending")),
            previous: Some((Digest::of("previous"), Timestamp(NOW.0 + 1))),
        }
    }

    #[track_caller]
    fn check(credentials: &Credentials, key: &str, expected: Standing) {
        assert_eq!(credentials.standing(&Digest::of(key), NOW), expected);
    }

    #[test]
    fn both_keys_open_while_a_rotation_is_pending() {
        check(&rotating(), "current", Standing::Accepted);
        check(&rotating(), "pending", Standing::Promotable);
        check(&rotating(), "other", Standing::Rejected);
    }

    #[test]
    fn the_previous_key_opens_only_while_a_new_one_waits_and_its_window_lasts() {
        check(&rotating(), "previous", Standing::Accepted);
        check(&Credentials { pending: None, ..rotating() }, "previous", Standing::Rejected);
        let previous = Some((Digest::of("previous"), NOW));
        check(&Credentials { previous, ..rotating() }, "previous", Standing::Rejected);
    }

    #[test]
    fn an_agent_that_is_not_active_is_rejected_whatever_its_key() {
        for status in [AgentStatus::Disabled, AgentStatus::Decommissioned] {
            for key in ["current", "pending", "previous"] {
                check(&Credentials { status, ..rotating() }, key, Standing::Rejected);
            }
        }
    }

    #[test]
    fn an_agent_that_uninstalled_itself_is_known_by_its_own_keys() {
        let gone = Credentials { status: AgentStatus::Uninstalled, ..rotating() };
        check(&gone, "current", Standing::Departed);
        check(&gone, "pending", Standing::Departed);
        check(&gone, "previous", Standing::Rejected);
        check(&gone, "other", Standing::Rejected);
    }

    #[test]
    fn a_clock_may_be_exactly_five_minutes_off() {
        assert!(is_fresh(NOW - Span::seconds(300), NOW));
        assert!(is_fresh(NOW + Span::seconds(300), NOW));
        assert!(!is_fresh(Timestamp(NOW.0 - 300_001), NOW));
        assert!(!is_fresh(Timestamp(NOW.0 + 300_001), NOW));
    }

    #[test]
    fn a_window_has_room_until_it_is_full_or_when_it_has_ended() {
        assert!(has_room(DEVICE, 29, NOW, NOW));
        assert!(!has_room(DEVICE, 30, NOW, NOW));
        assert!(!has_room(DEVICE, 30, Timestamp(NOW.0 - 59_999), NOW));
        assert!(has_room(DEVICE, 30, Timestamp(NOW.0 - 60_000), NOW));
    }

    #[test]
    fn an_agent_key_is_a_prefix_and_hexadecimal_digits() {
        let key = agent_key(&[0xab; 32]);
        assert_eq!(key.expose(), format!("ak_{}", "ab".repeat(32)));
    }
}

//! Enrollment: how an unknown machine becomes a known agent.
//!
//! An operator mints a token and hands it out; each machine that redeems it spends one use. We keep
//! only the token's digest. Spending is the store's, in one statement with the new agent.

use crate::{
    secrets::{Secret, hex_of},
    time::Timestamp,
};

/// What decides whether a token can still enroll somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub expires_at: Timestamp,
    pub max_uses: u32,
    pub use_count: u32,
}

/// Why a token was turned away. Never told to who presents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("enrollment token expired")]
    Expired,
    #[error("enrollment token has no uses left")]
    Exhausted,
}

impl Allowance {
    /// Expiry is exclusive: a token that expires at noon is dead at noon.
    pub fn check(self, now: Timestamp) -> Result<(), Rejected> {
        if self.expires_at <= now {
            Err(Rejected::Expired)
        } else if self.use_count >= self.max_uses {
            Err(Rejected::Exhausted)
        } else {
            Ok(())
        }
    }
}

/// `acht_` and 64 lower-case hexadecimal digits.
pub fn token(random: &[u8; 32]) -> Secret {
    Secret::new(format!("acht_{}", hex_of(random)))
}

/// Whether agents will call this address: they refuse plain HTTP but to their own machine.
pub fn is_acceptable_to_agents(server_url: &str) -> bool {
    let Some(rest) = server_url.strip_prefix("http://") else {
        return server_url.starts_with("https://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(43_200_000);

    #[track_caller]
    fn check(use_count: u32, now: i64, expected: Result<(), Rejected>) {
        let allowance = Allowance { expires_at: NOON, max_uses: 2, use_count };
        assert_eq!(allowance.check(Timestamp(now)), expected);
    }

    #[test]
    fn a_token_admits_until_its_uses_are_spent() {
        check(0, 0, Ok(()));
        check(1, 0, Ok(()));
        check(2, 0, Err(Rejected::Exhausted));
    }

    #[test]
    fn expiry_is_exclusive() {
        check(0, NOON.0 - 1, Ok(()));
        check(0, NOON.0, Err(Rejected::Expired));
    }

    #[test]
    fn a_token_is_a_prefix_and_hexadecimal_digits() {
        assert_eq!(token(&[0x5f; 32]).expose(), format!("acht_{}", "5f".repeat(32)));
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for url in
            ["https://a.example", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:1/"]
        {
            assert!(is_acceptable_to_agents(url), "{url}");
        }
        for url in ["http://a.example", "http://localhost.example", "ftp://localhost", ""] {
            assert!(!is_acceptable_to_agents(url), "{url}");
        }
    }
}

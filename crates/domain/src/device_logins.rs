//! How a program that cannot show a sign-in page is signed in: it shows a code, a person approves
//! it elsewhere (RFC 8628; console.md §5.2).

use crate::{rate_limit::Limit, time::Span};

pub const LIFE: Span = Span::seconds(600);
/// Seconds between two polls of a device.
pub const POLL_SECONDS: u32 = 2;

pub const STARTS: Limit = Limit { requests: 10, window_seconds: 900 };
/// Twice what a device asks for; per code, so that devices behind one address do not share it.
pub const POLLS: Limit = Limit { requests: 60, window_seconds: 60 };

/// Without letters and digits that look alike. 32 of them: each takes five random bits.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// `XXXX-XXXX`, to be read from one screen and compared with another.
pub fn user_code(random: &[u8; 8]) -> String {
    let symbol = |byte: &u8| char::from(ALPHABET[usize::from(byte & 31)]);
    let (left, right) = random.split_at(4);
    left.iter().map(symbol).chain(['-']).chain(right.iter().map(symbol)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_is_readable() {
        assert_eq!(user_code(&[0, 1, 2, 31, 32, 63, 255, 24]), "ABC9-A992");
    }
}

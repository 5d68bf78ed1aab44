//! Passwords: which are acceptable, and what is kept of them (Argon2id, RFC 9106).
//!
//! `common.bin` holds the first eight bytes of the SHA-256 of each of the 10,000 most common
//! passwords that is long enough to be asked about, sorted. The ranking is that of Django's list
//! (BSD-3-Clause); the passwords themselves are not kept.

use std::fmt;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use sha2::{Digest as _, Sha256};

use crate::secrets::Secret;

/// In characters.
pub const SHORTEST: usize = 8;
pub const LONGEST: usize = 128;

/// 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Of no password: checking against it costs as much as checking against a real one.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const COMMON: &[u8] = include_bytes!("passwords/common.bin");
const PREFIX_BYTES: usize = 8;

/// What is wrong with a password that somebody would like to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    #[error("password shorter than 8 characters")]
    TooShort,
    #[error("password longer than 128 characters")]
    TooLong,
    #[error("password among the 10,000 most common")]
    Common,
}

/// What is kept of a password: algorithm, parameters, salt and digest, as PHC text.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(String);

/// In which case letters are written does not make a common password less common.
pub fn check(password: &Secret) -> Result<(), Weakness> {
    let text = password.expose();
    match text.chars().count() {
        ..SHORTEST => Err(Weakness::TooShort),
        length if length > LONGEST => Err(Weakness::TooLong),
        _ if is_common(&text.to_lowercase()) => Err(Weakness::Common),
        _ => Ok(()),
    }
}

fn is_common(lower_case: &str) -> bool {
    let digest = Sha256::digest(lower_case);
    let (entries, _) = COMMON.as_chunks::<PREFIX_BYTES>();
    entries.binary_search_by(|it| it[..].cmp(&digest[..PREFIX_BYTES])).is_ok()
}

impl Verifier {
    /// Takes some 30 ms and 19 MiB on purpose.
    pub fn of(password: &Secret, salt: &[u8; 16]) -> Self {
        let salt = SaltString::encode_b64(salt).expect("16 bytes are a salt");
        let hash = argon2().hash_password(password.expose().as_bytes(), &salt);
        Self(hash.expect("the parameters are in range").to_string())
    }

    /// What stands in for the verifier of an account that does not exist.
    pub fn nobodys() -> Self {
        Self(NOBODYS.to_owned())
    }

    /// Takes as long whichever password is presented. A text that is no verifier fits none.
    pub fn fits(&self, password: &Secret) -> bool {
        PasswordHash::new(&self.0)
            .and_then(|it| argon2().verify_password(password.expose().as_bytes(), &it))
            .is_ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl From<String> for Verifier {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: impl Into<String>) -> Secret {
        Secret::new(text.into())
    }

    #[track_caller]
    fn check_of(text: &str, expected: Result<(), Weakness>) {
        assert_eq!(check(&secret(text)), expected, "{text}");
    }

    #[test]
    fn a_password_has_8_to_128_characters() {
        check_of("zq7Kw1!", Err(Weakness::TooShort));
        check_of("zq7Kw1!x", Ok(()));
        check_of("äöüßéèñç", Ok(()));
        check_of(&"zq7!".repeat(32), Ok(()));
        check_of(&"zq7!".repeat(33), Err(Weakness::TooLong));
    }

    #[test]
    fn a_common_password_is_refused_however_it_is_written() {
        for text in ["password1", "1234567890", "qwertyuiop", "PassWord1", "iloveyou"] {
            check_of(text, Err(Weakness::Common));
        }
        check_of("correct horse battery staple", Ok(()));
    }

    #[test]
    fn the_list_is_sorted_and_whole() {
        let (entries, rest) = COMMON.as_chunks::<PREFIX_BYTES>();
        assert!(rest.is_empty() && entries.is_sorted());
        assert_eq!(entries.len(), 3903);
    }

    #[test]
    fn a_verifier_fits_its_password_alone() {
        let verifier = Verifier::of(&secret("correct horse"), b"sixteen bytes ok");
        assert!(verifier.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{verifier:?}");
        assert!(verifier.fits(&secret("correct horse")));
        assert!(!verifier.fits(&secret("Correct horse")));
        assert!(!Verifier::of(&secret("x"), &[0; 16]).fits(&secret("")));
    }

    /// Otherwise an unknown address would be answered sooner.
    #[test]
    fn nobodys_verifier_is_computed_to_the_end() {
        let hash = PasswordHash::new(NOBODYS).unwrap();
        let params = Params::try_from(&hash).unwrap();
        let costs = (params.m_cost(), params.t_cost(), params.p_cost());
        assert_eq!(costs, (MEMORY_KIB, PASSES, LANES));
        assert_eq!(hash.hash.unwrap().len(), 32);
        assert!(!Verifier::nobodys().fits(&secret("password1")));
    }

    #[test]
    fn a_verifier_does_not_show_itself() {
        assert_eq!(format!("{:?}", Verifier::nobodys()), "Verifier(…)");
    }

    #[test]
    fn what_is_no_verifier_fits_nothing() {
        assert!(!Verifier::from(String::new()).fits(&secret("")));
    }
}

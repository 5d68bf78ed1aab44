//! How a pending agent key is kept until its agent has fetched it.
//!
//! AES-256-GCM under a key derived from `encryption_secret`, which serves nothing else here: whoever
//! learns the signing key does not learn agent keys (D-81). Layout: nonce (12) ‖ ciphertext ‖ tag (16).

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::{ids::AgentId, secrets::Secret};

const SALT: &[u8] = b"myrmidon-pending-key-v1";
const INFO: &[u8] = b"encryption";
const NONCE_BYTES: usize = 12;

/// Never to be repeated under one key: 12 random bytes for each sealing.
pub type FreshNonce = [u8; NONCE_BYTES];

#[derive(Clone)]
pub struct SealingKey(Aes256Gcm);

/// `encryption_secret` is shorter than 32 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encryption secret shorter than 32 characters")]
pub struct TooShort;

/// Sealed under another key, for another agent, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed key cannot be opened")]
pub struct Unreadable;

impl SealingKey {
    /// HKDF-SHA256 (RFC 5869).
    pub fn derive(encryption_secret: &Secret) -> Result<Self, TooShort> {
        if encryption_secret.expose().chars().count() < 32 {
            return Err(TooShort);
        }
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(SALT), encryption_secret.expose().as_bytes())
            .expand(INFO, &mut key)
            .expect("32 bytes are within what HKDF-SHA256 gives");
        Ok(Self(Aes256Gcm::new(&key.into())))
    }

    /// Binds the key to its agent: what was sealed for one cannot be opened for another.
    pub fn seal(&self, agent: &AgentId, key: &Secret, nonce: FreshNonce) -> Vec<u8> {
        let payload = Payload { msg: key.expose().as_bytes(), aad: agent.as_str().as_bytes() };
        let ciphertext = self
            .0
            .encrypt(Nonce::from_slice(&nonce), payload)
            .expect("a key is shorter than what AES-GCM takes");
        [&nonce[..], &ciphertext].concat()
    }

    pub fn open(&self, agent: &AgentId, sealed: &[u8]) -> Result<Secret, Unreadable> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unreadable)?;
        let payload = Payload { msg: ciphertext, aad: agent.as_str().as_bytes() };
        let clear = self.0.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| Unreadable)?;
        String::from_utf8(clear).map(Secret::new).map_err(|_| Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: FreshNonce = *b"twelve bytes";

    fn sealing_key(secret: &str) -> SealingKey {
        SealingKey::derive(&Secret::new(secret.into())).unwrap()
    }

    fn sealed() -> Vec<u8> {
        let key = Secret::new("ak_0123456789abcdef".into());
        sealing_key(&"s".repeat(32)).seal(&"a1".into(), &key, NONCE)
    }

    #[test]
    fn a_sealed_key_opens_for_its_agent() {
        let opened = sealing_key(&"s".repeat(32)).open(&"a1".into(), &sealed()).unwrap();
        assert_eq!(opened.expose(), "ak_0123456789abcdef");
    }

    #[test]
    fn it_opens_neither_for_another_agent_nor_under_another_secret() {
        assert_eq!(
            sealing_key(&"s".repeat(32)).open(&"a2".into(), &sealed()).err(),
            Some(Unreadable)
        );
        assert_eq!(
            sealing_key(&"t".repeat(32)).open(&"a1".into(), &sealed()).err(),
            Some(Unreadable)
        );
    }

    #[test]
    fn the_key_is_not_in_clear_and_the_nonce_is_in_front() {
        let sealed = sealed();
        assert_eq!(sealed.len(), 12 + 19 + 16);
        assert_eq!(sealed[..12], NONCE);
        assert!(!sealed.windows(3).any(|it| it == b"ak_"));
    }

    #[test]
    fn a_secret_needs_32_characters() {
        let derive = |it: &str| SealingKey::derive(&Secret::new(it.into())).err();
        assert_eq!(derive(&"s".repeat(31)), Some(TooShort));
        assert_eq!(derive(&"ä".repeat(31)), Some(TooShort));
        assert_eq!(derive(&"s".repeat(32)), None);
    }

    proptest! {
        #[test]
        fn a_damaged_box_stays_shut(at in 0_usize..47, flip in 1_u8..=255) {
            let mut sealed = sealed();
            sealed[at] ^= flip;
            let opened = sealing_key(&"s".repeat(32)).open(&"a1".into(), &sealed);
            prop_assert_eq!(opened.err(), Some(Unreadable));
        }

        #[test]
        fn a_cut_box_stays_shut(length in 0_usize..47) {
            let opened = sealing_key(&"s".repeat(32)).open(&"a1".into(), &sealed()[..length]);
            prop_assert_eq!(opened.err(), Some(Unreadable));
        }
    }
}

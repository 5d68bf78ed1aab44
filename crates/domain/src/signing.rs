//! Signing agent binaries (fleet.md §6.10): Ed25519 over the 32 bytes of a SHA-256 digest.
//!
//! Agents learn the public key when they enroll and refuse an update that it does not verify.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{
    Signer as _,
    pkcs8::{DecodePrivateKey as _, DecodePublicKey as _},
};

use crate::secrets::{Digest, Secret, hex_of};

/// What `signing_private_key_b64` holds. Its `Debug` shows the public half only.
#[derive(Debug, Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// What `signing_public_key_b64` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

/// The text is not a key of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("not base64")]
    Encoding,
    #[error("not an Ed25519 private key in PKCS#8 form")]
    PrivateKey,
    #[error("not an Ed25519 public key in SPKI form")]
    PublicKey,
}

impl SigningKey {
    /// Reads base64 of a PKCS#8 document (RFC 8410).
    pub fn from_pkcs8(text: &Secret) -> Result<Self, Unusable> {
        let der = STANDARD.decode(text.expose().trim()).map_err(|_| Unusable::Encoding)?;
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(&der);
        key.map(Self).map_err(|_| Unusable::PrivateKey)
    }

    /// 128 lower-case hexadecimal digits.
    pub fn sign(&self, digest: &Digest) -> String {
        hex_of(&self.0.sign(digest.as_bytes()).to_bytes())
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }
}

impl VerifyingKey {
    /// Reads base64 of a `SubjectPublicKeyInfo` (RFC 8410).
    pub fn from_spki(text: &str) -> Result<Self, Unusable> {
        let der = STANDARD.decode(text.trim()).map_err(|_| Unusable::Encoding)?;
        let key = ed25519_dalek::VerifyingKey::from_public_key_der(&der);
        key.map(Self).map_err(|_| Unusable::PublicKey)
    }

    /// As agents are told: base64 of the raw 32 bytes, 44 characters.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // fleet.md §10.1
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    const PUBLIC: &str = "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";

    fn signing_key() -> SigningKey {
        SigningKey::from_pkcs8(&Secret::new(PRIVATE.into())).unwrap()
    }

    #[test]
    fn the_signature_is_that_of_the_conformance_vector() {
        let digest = Digest::of("achilles-test-binary");
        assert_eq!(
            digest.to_hex(),
            "49c4e33f680490c29be9baa0f72b3a2ca9292cf8234010a3722d92785584ad57"
        );
        assert_eq!(
            signing_key().sign(&digest),
            "666248035fd954aacb536e0aaad3f4f95d2ccb051da4be9118abaa0ed26c6e32\
             c683bcdff060e78a05c2276b3e7ec9417fc908e85cc99cd22de8bc4993b86802"
        );
    }

    #[test]
    fn a_signature_verifies_over_the_decoded_digest() {
        let digest = Digest::of("anything");
        let signature = signing_key().0.sign(digest.as_bytes());
        let VerifyingKey(key) = VerifyingKey::from_spki(PUBLIC).unwrap();
        assert!(key.verify_strict(digest.as_bytes(), &signature).is_ok());
        assert!(key.verify_strict(digest.to_hex().as_bytes(), &signature).is_err());
    }

    #[test]
    fn agents_are_told_44_characters() {
        let told = VerifyingKey::from_spki(PUBLIC).unwrap().to_base64();
        assert_eq!(told, "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
        assert_eq!(told.len(), 44);
        assert_eq!(signing_key().verifying_key().to_base64(), told);
    }

    #[test]
    fn an_unusable_key_is_refused_and_told_apart() {
        let private = |text: &str| SigningKey::from_pkcs8(&Secret::new(text.into())).err();
        assert_eq!(private("not base64"), Some(Unusable::Encoding));
        assert_eq!(private(PUBLIC), Some(Unusable::PrivateKey));
        assert_eq!(private(""), Some(Unusable::PrivateKey));
        assert_eq!(VerifyingKey::from_spki(PRIVATE), Err(Unusable::PublicKey));
        assert_eq!(VerifyingKey::from_spki("%"), Err(Unusable::Encoding));
    }

    #[test]
    fn a_signing_key_does_not_show_itself() {
        assert!(!format!("{:?}", signing_key()).contains("1, 2, 3, 4, 5, 6, 7, 8"));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "[A-Za-z0-9+/=]{0,100}") {
            let _ = VerifyingKey::from_spki(&text);
            let _ = SigningKey::from_pkcs8(&Secret::new(text));
        }
    }
}

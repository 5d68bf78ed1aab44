//! The compact form of a signed token (RFC 7515 §7.1), and its signature.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto;
use serde::Deserialize;

use crate::{
    claims::Claims,
    key::{Algorithm, PublicKey},
    key_set::Wanted,
};

const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a token was not believed. For our log; callers are told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("token over 8 KiB")]
    TooLong,
    #[error("not a signed token in compact form")]
    Malformed,
    #[error("token of another type, or with extensions that must be understood")]
    UnknownHeader,
    #[error("signature algorithm not accepted")]
    UnknownAlgorithm,
    #[error("no key of the issuer fits")]
    UnknownKey,
    #[error("algorithm does not fit the key")]
    WrongAlgorithm,
    #[error("signature does not verify")]
    BadSignature,
    #[error("claims missing or of a wrong type")]
    BadClaims,
    #[error("token expired")]
    Expired,
    #[error("token of the future")]
    NotYetValid,
    #[error("token of another issuer")]
    WrongIssuer,
    #[error("token for another audience")]
    WrongAudience,
    #[error("token for another party")]
    WrongParty,
    #[error("session is not complete")]
    PendingSession,
}

/// A token whose header was read and whose signature was not.
pub(crate) struct Unverified<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl<'a> Unverified<'a> {
    pub(crate) fn read(token: &'a str) -> Result<Self, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejected::Malformed)?;
        if payload.contains('.') {
            return Err(Rejected::Malformed);
        }
        let header: Header = decode(header).ok_or(Rejected::Malformed)?;
        if header.crit.is_some() || !header.typ.is_none_or(|it| is_known_type(&it)) {
            return Err(Rejected::UnknownHeader);
        }
        let algorithm = Algorithm::named(&header.alg).ok_or(Rejected::UnknownAlgorithm)?;
        Ok(Self { algorithm, key_id: header.kid, signed, payload, signature })
    }

    /// Which key the token asks for.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted { key_id: self.key_id.as_deref(), algorithm: self.algorithm }
    }

    pub(crate) const fn payload(&self) -> &str {
        self.payload
    }

    pub(crate) fn verify(&self, key: &PublicKey) -> Result<Claims, Rejected> {
        self.check_signature(key)?;
        decode(self.payload).ok_or(Rejected::BadClaims)
    }

    pub(crate) fn check_signature(&self, key: &PublicKey) -> Result<(), Rejected> {
        if !key.takes(self.algorithm) {
            return Err(Rejected::WrongAlgorithm);
        }
        let signed = self.signed.as_bytes();
        let verified = crypto::verify(self.signature, signed, key.key(), self.algorithm.into());
        if verified.unwrap_or(false) { Ok(()) } else { Err(Rejected::BadSignature) }
    }
}

/// RFC 7519 §5.1; RFC 9068 §2.1. The prefix may be left out (RFC 7515 §4.1.9).
fn is_known_type(typ: &str) -> bool {
    let known = ["JWT", "at+jwt", "application/jwt", "application/at+jwt"];
    known.iter().any(|it| typ.eq_ignore_ascii_case(it))
}

pub(crate) fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

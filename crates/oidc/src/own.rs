//! Tokens that we sign ourselves, for people who signed in here: they name a session and nothing
//! else. What its bearer may do is looked up with each request.
//!
//! Ed25519 (RFC 8037) under a key derived from `encryption_secret`, which serves nothing else.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    ids::SessionId,
    secrets::Secret,
    sessions::Kind,
    time::{Span, Timestamp},
};
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    PublicKey, Rejected,
    token::{self, Unverified},
};

const SALT: &[u8] = b"myrmidon-session-token-v1";
const INFO: &[u8] = b"signing";
const ISSUER: &str = "myrmidon";
/// What tells our tokens from those of identity providers, before anything is verified.
const KEY_ID: &str = "myrmidon-sessions";

/// Signs and verifies.
#[derive(Clone)]
pub struct SessionKey {
    signing: SigningKey,
    verifying: PublicKey,
}

/// `encryption_secret` is shorter than 32 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encryption secret shorter than 32 characters")]
pub struct TooShort;

/// What a token of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub kind: Kind,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    sid: String,
    #[serde(rename = "type")]
    kind: String,
    /// Seconds since the epoch.
    iat: i64,
    exp: i64,
}

/// Whether a token claims to be ours. Costs no cryptography.
pub fn is_own(token: &str) -> bool {
    Unverified::read(token).is_ok_and(|it| it.wanted().key_id == Some(KEY_ID))
}

impl SessionKey {
    /// HKDF-SHA256 (RFC 5869).
    pub fn derive(encryption_secret: &Secret) -> Result<Self, TooShort> {
        if encryption_secret.expose().chars().count() < 32 {
            return Err(TooShort);
        }
        let mut seed = [0; 32];
        Hkdf::<Sha256>::new(Some(SALT), encryption_secret.expose().as_bytes())
            .expand(INFO, &mut seed)
            .expect("32 bytes are within what HKDF-SHA256 gives");
        let signing = SigningKey::from_bytes(&seed);
        let verifying = PublicKey::from_ed25519_bytes(signing.verifying_key().as_bytes())
            .expect("32 bytes are an Ed25519 key");
        Ok(Self { signing, verifying })
    }

    pub fn sign(&self, session: &Session, user: &str, life: Span, now: Timestamp) -> Secret {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.to_owned(),
            sid: session.id.0.clone(),
            kind: session.kind.word().to_owned(),
            iat: now.0.div_euclid(1000),
            exp: (now + life).0.div_euclid(1000),
        };
        let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{KEY_ID}"}}"#);
        let claims = serde_json::to_vec(&claims).expect("texts and numbers have JSON");
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", part(header.as_bytes()), part(&claims));
        let signature = self.signing.sign(signed.as_bytes()).to_bytes();
        Secret::new(format!("{signed}.{}", part(&signature)))
    }

    /// Exact about the end: this clock and the signer's are one.
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<Session, Rejected> {
        let token = Unverified::read(text)?;
        if token.wanted().key_id != Some(KEY_ID) {
            return Err(Rejected::UnknownKey);
        }
        token.check_signature(&self.verifying)?;
        let claims: Claims = token::decode(token.payload()).ok_or(Rejected::BadClaims)?;
        if claims.iss != ISSUER {
            return Err(Rejected::WrongIssuer);
        }
        if claims.exp <= now.0.div_euclid(1000) {
            return Err(Rejected::Expired);
        }
        let kind = claims.kind.parse().map_err(|_| Rejected::BadClaims)?;
        Ok(Session { id: SessionId(claims.sid), kind })
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const LIFE: Span = Span::seconds(900);

    fn key(secret: &str) -> SessionKey {
        SessionKey::derive(&Secret::new(secret.repeat(32))).unwrap()
    }

    fn session(kind: Kind) -> Session {
        Session { id: "s1".into(), kind }
    }

    fn signed(kind: Kind) -> String {
        key("s").sign(&session(kind), "u1", LIFE, NOW).into_exposed()
    }

    #[test]
    fn a_token_of_ours_names_its_session() {
        for kind in [Kind::Local, Kind::Cli] {
            assert_eq!(key("s").verify(&signed(kind), NOW), Ok(session(kind)));
        }
        assert!(is_own(&signed(Kind::Local)));
        assert!(!is_own("a.b.c"));
    }

    #[test]
    fn it_ends_with_its_life() {
        let token = signed(Kind::Local);
        assert!(key("s").verify(&token, NOW + Span::seconds(899)).is_ok());
        assert_eq!(key("s").verify(&token, NOW + LIFE), Err(Rejected::Expired));
    }

    #[test]
    fn nobody_else_signs_it() {
        assert_eq!(key("t").verify(&signed(Kind::Cli), NOW), Err(Rejected::BadSignature));
        let token = signed(Kind::Cli);
        let (head, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let forged = URL_SAFE_NO_PAD.encode(claims.replace("s1", "s2"));
        let forged = format!("{head}.{forged}.{signature}");
        assert_eq!(key("s").verify(&forged, NOW), Err(Rejected::BadSignature));
        let unsigned =
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"JWT","kid":"{KEY_ID}"}}"#));
        let forged = token.replacen(head, &unsigned, 1);
        assert_eq!(key("s").verify(&forged, NOW), Err(Rejected::UnknownAlgorithm));
    }

    #[test]
    fn the_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", key("s")), "SessionKey(…)");
        assert_eq!(SessionKey::derive(&Secret::new("short".into())).err(), Some(TooShort));
    }
}

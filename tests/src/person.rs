//! People and their tokens, right and wrong, as an identity provider would sign them.

use base64::{
    Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// What `auth_issuer` is in tests.
pub const ISSUER: &str = "https://issuer.test";

const ISSUER_SEED: [u8; 32] = [0x42; 32];
const STRANGER_SEED: [u8; 32] = [0x66; 32];

/// A DER `SubjectPublicKeyInfo` of Ed25519, up to the key (RFC 8410).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Somebody who signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub user: String,
    pub org: Option<String>,
    pub role: Option<String>,
    /// Seconds; negative for a token that has expired.
    pub ttl: i64,
    claims: Vec<(String, Value)>,
}

/// A way for a token to be wrong. Each must be turned away as if there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    Expired,
    NotYetValid,
    IssuedInTheFuture,
    WithoutExpiry,
    WithoutSubject,
    EmptySubject,
    OtherIssuer,
    WithoutIssuer,
    SignedByAStranger,
    /// `alg: none` and no signature.
    Unsigned,
    /// `alg: none` and the signature of the true token.
    AlgorithmNone,
    /// HMAC-SHA-256 with the public key's PEM as the secret.
    SymmetricWithPublicKey,
    /// `alg: RS256` over an Ed25519 signature.
    OtherAlgorithm,
    TamperedClaims,
    CutSignature,
    /// Signed in, but the second factor is yet to come.
    PendingSession,
}

impl Forgery {
    pub const ALL: [Self; 16] = [
        Self::Expired,
        Self::NotYetValid,
        Self::IssuedInTheFuture,
        Self::WithoutExpiry,
        Self::WithoutSubject,
        Self::EmptySubject,
        Self::OtherIssuer,
        Self::WithoutIssuer,
        Self::SignedByAStranger,
        Self::Unsigned,
        Self::AlgorithmNone,
        Self::SymmetricWithPublicKey,
        Self::OtherAlgorithm,
        Self::TamperedClaims,
        Self::CutSignature,
        Self::PendingSession,
    ];
}

impl Person {
    /// Somebody with a role, or with none.
    pub fn new(user: &str, org: Option<&str>, role: Option<&str>) -> Self {
        let owned = |it: &str| it.to_owned();
        Self {
            user: owned(user),
            org: org.map(owned),
            role: role.map(owned),
            ttl: 3600,
            claims: Vec::new(),
        }
    }

    pub fn admin(org: &str) -> Self {
        Self::new("user_admin", Some(org), Some("admin"))
    }

    pub fn operator(org: &str) -> Self {
        Self::new("user_operator", Some(org), Some("operator"))
    }

    pub fn analyst(org: &str) -> Self {
        Self::new("user_analyst", Some(org), Some("analyst"))
    }

    pub fn explorer(org: &str) -> Self {
        Self::new("user_explorer", Some(org), Some("explorer"))
    }

    #[must_use]
    pub fn named(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    #[must_use]
    pub fn for_seconds(mut self, ttl: i64) -> Self {
        self.ttl = ttl;
        self
    }

    /// One more claim, or another value of one; null removes it.
    #[must_use]
    pub fn claiming(mut self, claim: &str, value: Value) -> Self {
        self.claims.push((claim.to_owned(), value));
        self
    }

    pub fn token(&self) -> String {
        sign(&header("EdDSA"), &self.claims(), &ISSUER_SEED)
    }

    /// A token that must not be accepted.
    pub fn forged(&self, forgery: Forgery) -> String {
        let now = now();
        let claiming = |claim: &str, value: Value| self.clone().claiming(claim, value).token();
        match forgery {
            // Past the leeway of five seconds.
            Forgery::Expired => self.clone().for_seconds(-30).token(),
            // No test lasts so long that it would become valid meanwhile.
            Forgery::NotYetValid => claiming("nbf", json!(now + 3600)),
            Forgery::IssuedInTheFuture => claiming("iat", json!(now + 3600)),
            Forgery::WithoutExpiry => claiming("exp", Value::Null),
            Forgery::WithoutSubject => claiming("sub", Value::Null),
            Forgery::EmptySubject => claiming("sub", json!("")),
            Forgery::OtherIssuer => claiming("iss", json!("https://elsewhere.test")),
            Forgery::WithoutIssuer => claiming("iss", Value::Null),
            Forgery::SignedByAStranger => sign(&header("EdDSA"), &self.claims(), &STRANGER_SEED),
            Forgery::Unsigned => format!("{}.", signing_input(&header("none"), &self.claims())),
            Forgery::AlgorithmNone => sign(&header("none"), &self.claims(), &ISSUER_SEED),
            Forgery::SymmetricWithPublicKey => symmetric(&self.claims()),
            Forgery::OtherAlgorithm => sign(&header("RS256"), &self.claims(), &ISSUER_SEED),
            Forgery::TamperedClaims => {
                let token = self.token();
                let signature = token.rsplit('.').next().unwrap_or_default();
                let mut claims = self.claims();
                claims["metadata"] = json!({ "role": "admin", "tampered": true });
                format!("{}.{signature}", signing_input(&header("EdDSA"), &claims))
            }
            Forgery::CutSignature => {
                let token = self.token();
                token[..token.len() - 4].to_owned()
            }
            Forgery::PendingSession => claiming("sts", json!("pending")),
        }
    }

    fn claims(&self) -> Value {
        let now = now();
        let mut claims = json!({
            "iss": ISSUER, "sub": self.user, "iat": now.min(now + self.ttl) - 1, "nbf": now.min(now + self.ttl) - 1,
            "exp": now + self.ttl,
        });
        if let Some(org) = &self.org {
            claims["org_id"] = json!(org);
        }
        if let Some(role) = &self.role {
            claims["metadata"] = json!({ "role": role });
        }
        let object = claims.as_object_mut().expect("claims are an object");
        for (claim, value) in &self.claims {
            match value {
                Value::Null => object.remove(claim),
                value => object.insert(claim.clone(), value.clone()),
            };
        }
        claims
    }
}

/// The issuer's public key, for `auth_public_key_pem`.
pub fn public_key_pem() -> String {
    let key = SigningKey::from_bytes(&ISSUER_SEED).verifying_key();
    let der = [&SPKI_PREFIX[..], key.as_bytes()].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

fn header(algorithm: &str) -> Value {
    json!({ "alg": algorithm, "typ": "JWT" })
}

fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn sign(header: &Value, claims: &Value, seed: &[u8; 32]) -> String {
    let input = signing_input(header, claims);
    let signature = SigningKey::from_bytes(seed).sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn symmetric(claims: &Value) -> String {
    let input = signing_input(&header("HS256"), claims);
    let mut mac =
        Hmac::<Sha256>::new_from_slice(public_key_pem().as_bytes()).expect("any length is a key");
    mac.update(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

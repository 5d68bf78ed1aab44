//! Keys of token issuers, of each kind that is accepted, and tokens signed with them.
//!
//! Nothing here checks anything: a test may sign whatever it wants to see refused.

use std::sync::OnceLock;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::Signer as _;
use rsa::sha2::Sha256;
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePublicKey as _, LineEnding},
    signature::SignatureEncoding as _,
    traits::PublicKeyParts as _,
};
use serde_json::{Value, json};

#[derive(Clone)]
pub enum SigningKey {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// RSA keys cost a second to make, so there are two of them, 0 and 1.
    pub fn rsa(which: usize) -> Self {
        static KEYS: [OnceLock<RsaPrivateKey>; 2] = [const { OnceLock::new() }; 2];
        let make =
            || RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("2048 bits are enough");
        Self::Rsa(Box::new(KEYS[which].get_or_init(make).clone()))
    }

    pub fn p256(seed: u8) -> Self {
        Self::P256(
            p256::ecdsa::SigningKey::from_slice(&[seed.max(1); 32])
                .expect("a scalar below the order"),
        )
    }

    pub fn ed25519(seed: u8) -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    /// The algorithm this key is for.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half, as `auth_public_key_pem` wants it.
    pub fn public_pem(&self) -> String {
        const P256_PREFIX: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        const ED25519_PREFIX: &str = "302a300506032b6570032100";
        let spki = |prefix: &str, key: &[u8]| {
            let der = [hex::decode(prefix).expect("hexadecimal"), key.to_vec()].concat();
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                STANDARD.encode(der)
            )
        };
        match self {
            Self::Rsa(key) => {
                key.to_public_key().to_public_key_pem(LineEnding::LF).expect("a key has a form")
            }
            Self::P256(key) => {
                spki(P256_PREFIX, key.verifying_key().to_encoded_point(false).as_bytes())
            }
            Self::Ed25519(key) => spki(ED25519_PREFIX, key.verifying_key().as_bytes()),
        }
    }

    /// The public half, as a JWKS document lists it.
    pub fn jwk(&self, id: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self {
            Self::Rsa(key) => json!({
                "kty": "RSA", "n": encode(&key.n().to_bytes_be()), "e": encode(&key.e().to_bytes_be()),
            }),
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let (x, y) = (point.x().expect("uncompressed"), point.y().expect("uncompressed"));
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Self::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key.verifying_key().as_bytes()) })
            }
        };
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().into();
        jwk
    }

    /// A token of this header and these claims, whatever they say.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// The same of texts that need not be JSON.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = match self {
            Self::Rsa(key) => rsa::pkcs1v15::SigningKey::<Sha256>::new((**key).clone())
                .sign(message.as_bytes())
                .to_vec(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message.as_bytes());
                signature.to_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message.as_bytes()).to_bytes().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with the header this key would have, naming the key.
    pub fn token(&self, id: &str, claims: &Value) -> String {
        self.sign(&json!({ "alg": self.algorithm(), "typ": "JWT", "kid": id }), claims)
    }
}

//! Issuers for the tests: keys of each kind, tokens signed with them, and a JWKS document.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Poll, Waker},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::time::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use p256::{elliptic_curve::sec1::ToEncodedPoint as _, pkcs8::EncodePrivateKey as _};
use rsa::{
    pkcs1::EncodeRsaPrivateKey as _, pkcs8::EncodePublicKey as _, traits::PublicKeyParts as _,
};
use serde_json::{Value, json};

use crate::{Cause, Denied, IssuerKeys, Keys, Person, PublicKey, Rejected, Settings, verify};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END PUBLIC KEY-----";

/// A key pair: how it signs, how it is published.
pub(crate) struct Pair {
    pub(crate) private: EncodingKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) pem: String,
    pub(crate) jwk: Value,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn ed25519() -> Pair {
    let private = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let public = STANDARD.decode("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=").unwrap();
    Pair {
        private: EncodingKey::from_ed_der(&STANDARD.decode(private).unwrap()),
        algorithm: Algorithm::EdDSA,
        pem: ED25519.to_owned(),
        jwk: json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": text(&public)}),
    }
}

pub(crate) fn p256() -> Pair {
    let private = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let point = private.public_key().to_encoded_point(false);
    Pair {
        private: EncodingKey::from_ec_der(private.to_pkcs8_der().unwrap().as_bytes()),
        algorithm: Algorithm::ES256,
        pem: private.public_key().to_public_key_pem(rsa::pkcs8::LineEnding::LF).unwrap(),
        jwk: json!({
            "kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig",
            "x": text(point.x().unwrap()), "y": text(point.y().unwrap()),
        }),
    }
}

pub(crate) fn rsa(bits: usize) -> Pair {
    let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap();
    let public = private.to_public_key();
    Pair {
        private: EncodingKey::from_rsa_der(private.to_pkcs1_der().unwrap().as_bytes()),
        algorithm: Algorithm::RS256,
        pem: public.to_public_key_pem(rsa::pkcs8::LineEnding::LF).unwrap(),
        jwk: json!({
            "kty": "RSA", "kid": "rsa", "alg": "RS256",
            "n": text(&public.n().to_bytes_be()), "e": text(&public.e().to_bytes_be()),
        }),
    }
}

impl Pair {
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(Keys::Fixed(PublicKey::from_pem(&self.pem).unwrap()))
    }
}

pub(crate) fn part(json: &Value) -> String {
    text(json.to_string().as_bytes())
}

pub(crate) fn settings(keys: Keys) -> Settings {
    Settings { keys, issuer: None, audiences: vec![], authorized_parties: vec![] }
}

/// Claims that hold, with these added, or taken away where they are null.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({"sub": "user_1", "exp": NOW + 60, "iat": NOW - 1, "nbf": NOW - 1});
    let Value::Object(changes) = changes else { panic!() };
    let all = claims.as_object_mut().unwrap();
    all.extend(changes);
    all.retain(|_, value| !value.is_null());
    claims
}

/// An issuer that counts how often it is asked, and the cache of its keys.
#[derive(Default)]
pub(crate) struct Issuer {
    pub(crate) document: RefCell<Option<String>>,
    pub(crate) entry: RefCell<Option<Vec<u8>>>,
    pub(crate) asked: Cell<u32>,
    /// Somebody else wants newer keys, and is faster.
    pub(crate) has_rival: Cell<bool>,
}

impl Issuer {
    pub(crate) fn publishes(&self, pairs: &[&Pair]) {
        let keys: Vec<_> = pairs.iter().map(|it| &it.jwk).collect();
        self.document.replace(Some(json!({"keys": keys}).to_string()));
    }
}

impl IssuerKeys for Issuer {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Cause> {
        assert!(url.starts_with("https://"));
        self.asked.set(self.asked.get() + 1);
        Ok(self.document.borrow().clone().ok_or("down")?.into_bytes())
    }

    async fn claim(&self) -> Result<bool, Cause> {
        Ok(!self.has_rival.get())
    }

    async fn recall(&self) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.entry.borrow().clone())
    }

    async fn remember(&self, entry: &[u8]) -> Result<(), Cause> {
        self.entry.replace(Some(entry.to_vec()));
        Ok(())
    }
}

pub(crate) fn verify_at(
    settings: &Settings,
    issuer: &Issuer,
    token: &str,
    seconds: i64,
) -> Result<Person, Denied> {
    let verified = verify(settings, issuer, token, Timestamp(seconds * 1000));
    match std::pin::pin!(verified).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(it) => it,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// With a key that is configured.
pub(crate) fn check(settings: &Settings, token: &str) -> Result<Person, Rejected> {
    match verify_at(settings, &Issuer::default(), token, NOW) {
        Ok(person) => Ok(person),
        Err(Denied::Rejected(rejected)) => Err(rejected),
        Err(Denied::Unavailable(error)) => panic!("{error}"),
    }
}

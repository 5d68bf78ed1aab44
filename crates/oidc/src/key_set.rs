//! An issuer's keys: a JWKS document (RFC 7517).
//!
//! A key that we cannot use is passed over; issuers publish others than ours.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::key::{Algorithm, PublicKey};

#[derive(Debug)]
pub(crate) struct KeySet(Vec<(Option<String>, PublicKey)>);

/// The key that a token asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) key_id: Option<&'a str>,
    pub(crate) algorithm: Algorithm,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// None when this is no JWKS document.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(document).ok()?;
        let keys = document.keys.into_iter().filter_map(|it| {
            let jwk: Jwk = serde_json::from_value(it).ok()?;
            let key = jwk.public_key()?;
            Some((jwk.kid, key))
        });
        Some(Self(keys.collect()))
    }

    /// By its id; where the token names none, the only one that takes its algorithm.
    pub(crate) fn find(&self, wanted: Wanted<'_>) -> Option<&PublicKey> {
        let keys = self.0.iter();
        if let Some(wanted_id) = wanted.key_id {
            let mut named = keys.filter(|(id, _)| id.as_deref() == Some(wanted_id));
            return named.next().map(|(_, key)| key);
        }
        let mut fitting = keys.filter(|(_, key)| key.takes(wanted.algorithm));
        match (fitting.next(), fitting.next()) {
            (Some((_, only)), None) => Some(only),
            _ => None,
        }
    }
}

impl Jwk {
    fn public_key(&self) -> Option<PublicKey> {
        if self.purpose.as_deref().is_some_and(|it| it != "sig") {
            return None;
        }
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                PublicKey::from_rsa_parts(&bytes(self.n.as_deref())?, &bytes(self.e.as_deref())?)
            }
            ("EC", Some("P-256")) => {
                PublicKey::from_p256_point(&bytes(self.x.as_deref())?, &bytes(self.y.as_deref())?)
            }
            ("OKP", Some("Ed25519")) => PublicKey::from_ed25519_bytes(&bytes(self.x.as_deref())?),
            _ => return None,
        };
        match &self.alg {
            None => key.ok(),
            Some(name) => key.ok()?.only(Algorithm::named(name)?).ok(),
        }
    }
}

fn bytes(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

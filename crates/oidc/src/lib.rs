//! Who a person is, by the token that an `OpenID` issuer signed (RFC 7515, 7517, 7519).
//!
//! The key decides which algorithms are taken, never the token. Fetching and caching the issuer's
//! keys goes through a port; the time comes in as a value. Nobody is logged in or out here; the tokens
//! of those who signed in with us are in `own`.

mod claims;
mod key;
mod key_set;
mod own;
mod remote_keys;
#[cfg(test)]
mod tests;
mod token;

use domain::time::Timestamp;

pub use key::{PublicKey, UnusableKey};
pub use own::{Session, SessionKey, TooShort, is_own};
pub use remote_keys::{Cause, IssuerKeys, MAX_DOCUMENT_BYTES, UnavailableKeys};
pub use token::Rejected;

/// Whose tokens are taken, and for whom they must have been issued.
#[derive(Debug, Clone)]
pub struct Settings {
    pub keys: Keys,
    /// `iss`; not checked when unset.
    pub issuer: Option<String>,
    /// One of them must be in `aud`; not checked when empty.
    pub audiences: Vec<String>,
    /// `azp` must be one of them; not checked when empty.
    pub authorized_parties: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Keys {
    Fixed(PublicKey),
    /// The URL of a JWKS document.
    Remote(String),
}

/// What a token says of its bearer. The role is what it claims, not yet one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub user: String,
    pub org: Option<String>,
    pub role: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Unavailable(#[from] UnavailableKeys),
}

/// Believes the token, or says why not. What is no token at all costs nothing.
pub async fn verify(
    settings: &Settings,
    issuer: &impl IssuerKeys,
    token: &str,
    now: Timestamp,
) -> Result<Person, Denied> {
    let token = token::Unverified::read(token)?;
    let claims = match &settings.keys {
        Keys::Fixed(key) => token.verify(key)?,
        Keys::Remote(url) => {
            let key = remote_keys::find(issuer, url, token.wanted(), now).await?;
            token.verify(&key.ok_or(Rejected::UnknownKey)?)?
        }
    };
    Ok(claims.person(settings, now)?)
}

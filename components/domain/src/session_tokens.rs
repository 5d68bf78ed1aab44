//! The key that our own access tokens are signed with, from the variable `encryption_secret`.

use std::sync::OnceLock;

use domain::{ids::SessionId, secrets::Secret, sessions::Kind};
use oidc::{Session, SessionKey};

use crate::{
    bindings::exports::myrmidon::domain::{sessions::Tokens, types::Fault},
    call::Call,
    configuration, fault,
};

const VARIABLE: &str = "encryption_secret";

/// Derived once per instance, unless something is wrong with the secret.
pub(crate) async fn key() -> Result<&'static SessionKey, Fault> {
    static DERIVED: OnceLock<SessionKey> = OnceLock::new();
    if let Some(key) = DERIVED.get() {
        return Ok(key);
    }
    let secret = Secret::new(configuration::required(VARIABLE).await?);
    let key = SessionKey::derive(&secret).map_err(|_| fault::misconfigured(VARIABLE))?;
    Ok(DERIVED.get_or_init(|| key))
}

/// What the bearer of a session is given: a new access token beside this refresh token.
pub(crate) fn issue(
    call: &Call,
    key: &SessionKey,
    id: SessionId,
    kind: Kind,
    user: &str,
    refresh_token: Secret,
) -> Tokens {
    let life = kind.access_life();
    Tokens {
        access_token: key.sign(&Session { id, kind }, user, life, call.now).into_exposed(),
        refresh_token: refresh_token.into_exposed(),
        expires_at: (call.now + life).into(),
    }
}

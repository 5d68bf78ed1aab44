//! Tokens of identity providers, and the settings that say whose are believed.

use std::sync::OnceLock;

use oidc::{Keys, Person, PublicKey, Settings};

use crate::{
    bindings::exports::myrmidon::domain::types::Fault, call::Call, configuration::optional, fault,
    issuer::Issuer, values::KeyValues,
};

/// None for whoever brings no token, or one that is not believed. Keys of agents are not even
/// looked at (D-01).
pub(super) async fn believe(token: Option<&str>, call: &Call) -> Result<Option<Person>, Fault> {
    let is_compact = |it: &&str| it.bytes().filter(|byte| *byte == b'.').count() == 2;
    let Some(token) = token.filter(|it| !it.starts_with("ak_") && is_compact(it)) else {
        return Ok(None);
    };
    let Some(settings) = settings().await? else { return Ok(None) };
    let issuer = Issuer { call, values: KeyValues::open().await? };
    match oidc::verify(settings, &issuer, token, call.now).await {
        Ok(person) => Ok(Some(person)),
        Err(oidc::Denied::Rejected(reason)) => {
            fault::note(&reason);
            Ok(None)
        }
        Err(oidc::Denied::Unavailable(error)) => Err(fault::unavailable(&error)),
    }
}

/// Read once per instance, unless something is wrong with them. None where all people have accounts
/// here: then no token of anybody else is believed.
async fn settings() -> Result<Option<&'static Settings>, Fault> {
    static READ: OnceLock<Option<Settings>> = OnceLock::new();
    if let Some(settings) = READ.get() {
        return Ok(settings.as_ref());
    }
    let settings = read().await?;
    Ok(READ.get_or_init(|| settings).as_ref())
}

const PEM: &str = "auth_public_key_pem";
const URL: &str = "auth_jwks_url";
const ISSUER: &str = "auth_issuer";

/// A key document wins over a single key: `myrmidon up` makes a key for its own tokens, and an identity
/// provider that is configured later replaces it.
async fn read() -> Result<Option<Settings>, Fault> {
    let issuer = optional(ISSUER).await?;
    let keys = match (optional(URL).await?, optional(PEM).await?) {
        // Many issuers may sign with the keys of one document (D-17).
        (Some(_), _) if issuer.is_none() => return Err(fault::misconfigured(ISSUER)),
        (Some(url), _) => Keys::Remote(url),
        (None, Some(pem)) => {
            Keys::Fixed(PublicKey::from_pem(&pem).map_err(|_| fault::misconfigured(PEM))?)
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Settings {
        keys,
        issuer,
        audiences: list("auth_audience").await?,
        authorized_parties: list("auth_authorized_parties").await?,
    }))
}

/// Separated by commas.
async fn list(name: &'static str) -> Result<Vec<String>, Fault> {
    let text = optional(name).await?.unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    Ok(entries.map(str::to_owned).collect())
}

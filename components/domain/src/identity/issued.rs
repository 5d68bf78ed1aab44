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
    let issuer = Issuer(KeyValues::open().await?);
    match oidc::verify(settings().await?, &issuer, token, call.now).await {
        Ok(person) => Ok(Some(person)),
        Err(oidc::Denied::Rejected(reason)) => {
            fault::note(&reason);
            Ok(None)
        }
        Err(oidc::Denied::Unavailable(error)) => Err(fault::unavailable(&error)),
    }
}

/// Read once per instance, unless something is wrong with them.
async fn settings() -> Result<&'static Settings, Fault> {
    static READ: OnceLock<Settings> = OnceLock::new();
    if let Some(settings) = READ.get() {
        return Ok(settings);
    }
    let settings = Settings {
        keys: keys().await?,
        issuer: optional("auth_issuer").await?,
        audiences: list("auth_audience").await?,
        authorized_parties: list("auth_authorized_parties").await?,
    };
    Ok(READ.get_or_init(|| settings))
}

const PEM: &str = "auth_public_key_pem";
const URL: &str = "auth_jwks_url";

async fn keys() -> Result<Keys, Fault> {
    if let Some(pem) = optional(PEM).await? {
        let key = PublicKey::from_pem(&pem).map_err(|_| fault::misconfigured(PEM))?;
        return Ok(Keys::Fixed(key));
    }
    match optional(URL).await? {
        Some(url) => Ok(Keys::Remote(url)),
        None => Err(fault::misconfigured(URL)),
    }
}

/// Separated by commas.
async fn list(name: &'static str) -> Result<Vec<String>, Fault> {
    let text = optional(name).await?.unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    Ok(entries.map(str::to_owned).collect())
}

//! The key that pending agent keys are sealed with, from the variable `encryption_secret`.

use domain::{ids::AgentId, sealing::SealingKey, secrets::Secret};

use crate::{bindings::exports::myrmidon::domain::types::Fault, configuration, fault};

const VARIABLE: &str = "encryption_secret";

pub(crate) async fn key() -> Result<SealingKey, Fault> {
    let secret = Secret::new(configuration::required(VARIABLE).await?);
    SealingKey::derive(&secret).map_err(|_| fault::misconfigured(VARIABLE))
}

/// In clear, for its agent and nobody else.
pub(crate) fn open(key: &SealingKey, agent: &AgentId, sealed: &[u8]) -> Result<String, Fault> {
    match key.open(agent, sealed) {
        Ok(clear) => Ok(clear.into_exposed()),
        Err(error) => Err(fault::unavailable(&error)),
    }
}

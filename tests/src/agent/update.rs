//! Updates of the agent itself (§8.9): compared, downloaded, proven, applied.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Agent, Ended};
use crate::server::Unreachable;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    None,
    /// The version that runs after the restart.
    Applied(String),
}

#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("status {0}")]
    Status(u16),
    #[error("an answer that is none: {0}")]
    Undecodable(String),
    #[error("the binary is not what was announced")]
    Mismatch,
    #[error("signature missing or invalid")]
    BadSignature,
}

#[derive(Deserialize)]
struct VersionCheck {
    version: String,
    sha256: String,
    size: u64,
    mandatory: bool,
    signature: Option<String>,
}

impl Agent {
    pub async fn check_update(&mut self) -> Result<Update, UpdateError> {
        let answer = self.call(&Method::GET, "/api/agent/version", None).await?;
        match answer.status.as_u16() {
            204 => return Ok(Update::None),
            200 => {}
            status => return Err(UpdateError::Status(status)),
        }
        let undecodable = |error: serde_json::Error| UpdateError::Undecodable(error.to_string());
        let mut body: Value = serde_json::from_slice(&answer.body).map_err(undecodable)?;
        let check: VersionCheck =
            serde_json::from_value(body["data"].take()).map_err(undecodable)?;
        let is_older = precedes(&check.version, &self.machine.version);
        if check.version == self.machine.version || (is_older && !check.mandatory) {
            return Ok(Update::None);
        }
        let target = format!("/api/agent/update?os={}&arch={}", self.machine.os, self.machine.arch);
        let binary = self.call(&Method::GET, &target, None).await?;
        if binary.status != 200 {
            return Err(UpdateError::Status(binary.status.as_u16()));
        }
        self.prove(&check, &binary.body)?;
        self.machine.version.clone_from(&check.version);
        self.ended = Some(Ended::Updated);
        Ok(Update::Applied(check.version))
    }

    /// The signature is over the digest. Without a key, anything goes.
    fn prove(&self, check: &VersionCheck, binary: &[u8]) -> Result<(), UpdateError> {
        let digest = Sha256::digest(binary);
        let is_size = check.size == 0 || check.size == binary.len() as u64;
        if !is_size || hex::encode(digest) != check.sha256 {
            return Err(UpdateError::Mismatch);
        }
        if self.identity.update_public_key.is_empty() {
            return Ok(());
        }
        let key = STANDARD.decode(&self.identity.update_public_key).ok();
        let key = key.and_then(|it| VerifyingKey::from_bytes(&it.try_into().ok()?).ok());
        let signature = check.signature.as_deref().and_then(|it| hex::decode(it).ok());
        let signature = signature.and_then(|it| Signature::from_slice(&it).ok());
        let (Some(key), Some(signature)) = (key, signature) else {
            return Err(UpdateError::BadSignature);
        };
        key.verify_strict(&digest, &signature).map_err(|_| UpdateError::BadSignature)
    }
}

/// Dot-separated integers; a leading `v` and what is no digit do not count.
pub fn precedes(a: &str, b: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let segments = version.strip_prefix('v').unwrap_or(version).split('.');
        let digits = |it: &str| it.chars().take_while(char::is_ascii_digit).collect::<String>();
        let mut numbers: Vec<u64> = segments.map(|it| digits(it).parse().unwrap_or(0)).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        numbers
    };
    numbers(a) < numbers(b)
}

#[cfg(test)]
mod tests {
    use super::precedes;

    #[test]
    fn versions_are_compared_by_number() {
        for (lower, higher) in
            [("0.6.2", "0.6.10"), ("v1.2", "1.2.1"), ("1.2.3-rc1", "1.2.4"), ("1.9", "2")]
        {
            assert!(precedes(lower, higher), "{lower} {higher}");
            assert!(!precedes(higher, lower), "{higher} {lower}");
        }
        assert!(
            !precedes("1.2", "1.2.0")
                && !precedes("1.2.0", "1.2")
                && !precedes("1.2.3", "v1.2.3-rc1")
        );
    }
}

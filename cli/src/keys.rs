//! Secrets of an installation: what there is to make, and making it.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::Subcommand;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{
        DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
        spki::der::pem::LineEnding,
    },
};

use crate::env_file;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print all secrets of a new installation, as lines of a `.env` file
    Generate,
}

#[expect(clippy::print_stdout, reason = "the lines are the answer")]
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Generate => {
            for (name, value) in missing(&BTreeMap::new())? {
                print!("{}", env_file::line(&name, &value));
            }
        }
    }
    Ok(())
}

/// Signs tokens that `myrmidon token` prints. For the program only: no component ever sees it.
pub(crate) const TOKEN_KEY: &str = "MYRMIDON_TOKEN_PRIVATE_KEY_B64";

/// The issuer that our own tokens name.
pub(crate) const ISSUER: &str = "myrmidon";

const PREFIX: &str = "SPIN_VARIABLE_";

/// Makes what `known` lacks. Keys of the result are complete names of the environment.
pub(crate) fn missing(known: &BTreeMap<String, String>) -> Result<Vec<(String, String)>> {
    let value = |name: &str| known.get(&format!("{PREFIX}{name}")).filter(|it| !it.is_empty());
    let mut made = Vec::new();
    let mut add = |name: &str, value: String| made.push((format!("{PREFIX}{name}"), value));

    if value("CRON_SECRET").is_none() {
        add("CRON_SECRET", random_text()?);
    }
    if value("ENCRYPTION_SECRET").is_none() {
        add("ENCRYPTION_SECRET", random_text()?);
    }
    match value("SIGNING_PRIVATE_KEY_B64") {
        Some(private) if value("SIGNING_PUBLIC_KEY_B64").is_none() => {
            add("SIGNING_PUBLIC_KEY_B64", public_base64(&parse(private)?)?);
        }
        // A public key alone belongs to somebody who signs elsewhere.
        None if value("SIGNING_PUBLIC_KEY_B64").is_none() => {
            let key = random_key()?;
            add("SIGNING_PRIVATE_KEY_B64", private_base64(&key)?);
            add("SIGNING_PUBLIC_KEY_B64", public_base64(&key)?);
        }
        _ => {}
    }
    if value("AUTH_PUBLIC_KEY_PEM").is_none() && value("AUTH_JWKS_URL").is_none() {
        let key = random_key()?;
        add("AUTH_PUBLIC_KEY_PEM", key.verifying_key().to_public_key_pem(LineEnding::LF)?);
        if value("AUTH_ISSUER").is_none() {
            add("AUTH_ISSUER", ISSUER.to_owned());
        }
        made.push((TOKEN_KEY.to_owned(), private_base64(&key)?));
    }
    Ok(made)
}

/// PKCS#8 DER in base64.
pub(crate) fn parse(private: &str) -> Result<SigningKey> {
    Ok(SigningKey::from_pkcs8_der(&BASE64.decode(private.trim())?)?)
}

/// Version 1 of the format, without the public half, which every reader knows.
fn private_base64(key: &SigningKey) -> Result<String> {
    let bytes = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    Ok(BASE64.encode(bytes.to_pkcs8_der()?.as_bytes()))
}

/// SPKI DER in base64.
pub(crate) fn public_base64(key: &SigningKey) -> Result<String> {
    Ok(BASE64.encode(key.verifying_key().to_public_key_der()?.as_bytes()))
}

fn random_key() -> Result<SigningKey> {
    Ok(SigningKey::from_bytes(&random()?))
}

/// 256 bits as 64 hexadecimal digits.
fn random_text() -> Result<String> {
    Ok(hex::encode(random::<32>()?))
}

/// A new id that tells nothing (UUID v4).
pub(crate) fn random_id() -> Result<String> {
    Ok(uuid::Builder::from_random_bytes(random()?).into_uuid().to_string())
}

#[expect(clippy::disallowed_methods, reason = "the edge of this program, where randomness is read")]
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(known: &[(&str, &str)]) -> Vec<String> {
        let known = known.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        missing(&known).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_new_installation_lacks_everything() {
        assert_eq!(
            names(&[]),
            [
                "SPIN_VARIABLE_CRON_SECRET",
                "SPIN_VARIABLE_ENCRYPTION_SECRET",
                "SPIN_VARIABLE_SIGNING_PRIVATE_KEY_B64",
                "SPIN_VARIABLE_SIGNING_PUBLIC_KEY_B64",
                "SPIN_VARIABLE_AUTH_PUBLIC_KEY_PEM",
                "SPIN_VARIABLE_AUTH_ISSUER",
                TOKEN_KEY,
            ]
        );
    }

    #[test]
    fn a_complete_installation_lacks_nothing() {
        let made: BTreeMap<_, _> = missing(&BTreeMap::new()).unwrap().into_iter().collect();
        assert_eq!(missing(&made).unwrap(), []);
    }

    #[test]
    fn an_installation_with_an_issuer_of_its_own_gets_no_local_one() {
        let made = names(&[("SPIN_VARIABLE_AUTH_JWKS_URL", "https://id.example/jwks")]);
        assert!(made.iter().all(|it| !it.contains("AUTH") && it != TOKEN_KEY), "{made:?}");
    }

    /// fleet.md §10.1.
    #[test]
    fn the_public_key_follows_from_the_private_one() {
        let private = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        let known = BTreeMap::from([(
            "SPIN_VARIABLE_SIGNING_PRIVATE_KEY_B64".to_owned(),
            private.to_owned(),
        )]);
        let made: BTreeMap<_, _> = missing(&known).unwrap().into_iter().collect();
        assert_eq!(
            made["SPIN_VARIABLE_SIGNING_PUBLIC_KEY_B64"],
            "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
        );
        assert!(!made.contains_key("SPIN_VARIABLE_SIGNING_PRIVATE_KEY_B64"));
    }
}

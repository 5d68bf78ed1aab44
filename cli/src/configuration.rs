//! The values of an installation's variables, and what is wrong with them.
//!
//! Looked up as Spin looks them up. Every problem is found at once.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::{Installation, env_file, keys};

/// Every application variable that has a value; empty ones count as unset.
pub(crate) struct Configuration {
    values: BTreeMap<String, String>,
    token_key: Option<String>,
}

/// A variable that cannot stay as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) variable: &'static str,
    pub(crate) message: String,
}

impl Configuration {
    pub(crate) fn read(installation: &Installation) -> Result<Self> {
        let manifest = host::Manifest::load(&installation.from)?;
        let values = manifest.values(&options(installation))?;
        let file = env_file::read(&installation.env_file())?;
        let token_key = environment(keys::TOKEN_KEY).or_else(|| file.get(keys::TOKEN_KEY).cloned());
        Ok(Self::new(values, token_key))
    }

    fn new(mut values: BTreeMap<String, String>, token_key: Option<String>) -> Self {
        values.retain(|_, value| !value.trim().is_empty());
        Self { values, token_key }
    }

    pub(crate) fn value(&self, variable: &str) -> Option<&str> {
        self.values.get(variable).map(|it| it.trim())
    }

    /// PKCS#8 DER in base64; none where an identity provider signs, even if there was a key before it.
    pub(crate) fn token_key(&self) -> Option<&str> {
        self.token_key.as_deref().filter(|_| self.value("auth_jwks_url").is_none())
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let checks: [(&'static str, Check); 9] = [
            ("agent_server_url", server_url),
            ("auth_jwks_url", jwks_url),
            ("auth_public_key_pem", public_key_pem),
            ("cors_origin", origin),
            ("cron_secret", |it| at_least(16, it)),
            ("encryption_secret", |it| at_least(32, it)),
            ("signing_private_key_b64", |it| {
                keys::parse(it).map(drop).map_err(|_| PKCS8.to_owned())
            }),
            ("signing_public_key_b64", public_key),
            ("trusted_proxies", proxies),
        ];
        let mut problems: Vec<Problem> = checks
            .into_iter()
            .filter_map(|(variable, check)| {
                let message = check(self.value(variable)?).err()?;
                Some(Problem { variable, message })
            })
            .collect();
        problems.extend(self.missing());
        problems.extend(self.mismatched());
        problems.extend(self.unnamed_issuer());
        problems
    }

    fn missing(&self) -> Vec<Problem> {
        let needed = [
            ("agent_server_url", "agents would not know whom to call"),
            ("cron_secret", "no cron route could be called"),
            ("encryption_secret", "no agent key could be rotated"),
            ("signing_public_key_b64", "no agent could enroll"),
            ("signing_private_key_b64", "no agent binary could be published"),
        ];
        let unset = |variable: &str| self.value(variable).is_none();
        needed
            .into_iter()
            .filter(|(variable, _)| unset(variable))
            .map(|(variable, why)| Problem { variable, message: format!("is not set: {why}") })
            .collect()
    }

    /// The keys of a document say nothing of whose tokens they sign (D-17). Nor is the issuer of our own
    /// tokens, left from before there was a provider, that of the provider's.
    fn unnamed_issuer(&self) -> Option<Problem> {
        self.value("auth_jwks_url")?;
        let why = match self.value("auth_issuer") {
            None => "is not set",
            Some(keys::ISSUER) => "is still that of `myrmidon token`",
            Some(_) => return None,
        };
        let message = format!("{why}: with auth_jwks_url it must name the identity provider");
        Some(Problem { variable: "auth_issuer", message })
    }

    fn mismatched(&self) -> Option<Problem> {
        let private = keys::parse(self.value("signing_private_key_b64")?).ok()?;
        let public = self.value("signing_public_key_b64")?;
        let message = "is not the public half of signing_private_key_b64".to_owned();
        (keys::public_base64(&private).ok()? != public)
            .then_some(Problem { variable: "signing_public_key_b64", message })
    }
}

type Check = fn(&str) -> Result<(), String>;

const PKCS8: &str = "is not the base64 of a PKCS#8 DER Ed25519 key";

/// Agents refuse anything but TLS, or a server on their own machine.
fn server_url(text: &str) -> Result<(), String> {
    let url = secure_url(text)?;
    if text.ends_with('/') || url.query().is_some() || url.fragment().is_some() {
        return Err(
            "must not end with a slash, nor hold a query: agents append paths to it".to_owned()
        );
    }
    Ok(())
}

fn jwks_url(text: &str) -> Result<(), String> {
    secure_url(text).map(drop)
}

fn secure_url(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err("must be https, or http to localhost, 127.0.0.1 or [::1]".to_owned()),
    }
}

fn origin(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("is not an origin: {error}"))?;
    if url.origin().ascii_serialization() == text {
        Ok(())
    } else {
        Err("must be an origin: a scheme, a host and perhaps a port, nothing behind them"
            .to_owned())
    }
}

fn at_least(characters: usize, text: &str) -> Result<(), String> {
    if text.chars().count() >= characters {
        Ok(())
    } else {
        Err(format!("must have at least {characters} characters"))
    }
}

fn public_key(text: &str) -> Result<(), String> {
    use ed25519_dalek::pkcs8::DecodePublicKey as _;
    let wrong = || "is not the base64 of an SPKI DER Ed25519 key".to_owned();
    let der = BASE64.decode(text).map_err(|_| wrong())?;
    ed25519_dalek::VerifyingKey::from_public_key_der(&der).map(drop).map_err(|_| wrong())
}

/// By the parser of the component that will use it.
fn public_key_pem(text: &str) -> Result<(), String> {
    oidc::PublicKey::from_pem(text).map(drop).map_err(|error| {
        format!("is {error} in PEM (-----BEGIN PUBLIC KEY-----), RSA with 2048 bits or more")
    })
}

fn proxies(text: &str) -> Result<(), String> {
    match text.parse::<u8>() {
        Ok(0..=16) => Ok(()),
        _ => Err("must be a whole number from 0 to 16".to_owned()),
    }
}

/// The host's options, as far as the installation says them.
pub(crate) fn options(installation: &Installation) -> host::Options {
    host::Options {
        state_dir: Some(installation.state_dir()),
        variables: installation.variables.iter().cloned().collect(),
        env_file: installation.env_file.clone(),
        ..host::Options::default()
    }
}

/// `NAME=VALUE`.
pub(crate) fn assignment(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').context("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge of this program, where its environment is read"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> BTreeMap<String, String> {
        let mut values: BTreeMap<String, String> = keys::missing(&BTreeMap::new())
            .unwrap()
            .into_iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix("SPIN_VARIABLE_")?.to_lowercase(), value))
            })
            .collect();
        values.insert("agent_server_url".into(), "https://myrmidon.example".into());
        values
    }

    #[track_caller]
    fn check(variable: &str, value: &str, expected: &[&str]) {
        let mut values = installed();
        values.insert(variable.to_owned(), value.to_owned());
        let problems = Configuration::new(values, None).problems();
        let found: Vec<_> = problems.iter().map(|it| it.variable).collect();
        assert_eq!(found, expected, "{problems:?}");
    }

    #[test]
    fn a_generated_configuration_has_no_problems() {
        check("trusted_proxies", "1", &[]);
    }

    #[test]
    fn agents_refuse_a_server_in_clear() {
        check("agent_server_url", "http://10.0.0.1:3000", &["agent_server_url"]);
        check("agent_server_url", "http://localhost.evil.example", &["agent_server_url"]);
        check("agent_server_url", "http://127.0.0.1:3000", &[]);
        check("agent_server_url", "https://myrmidon.example/", &["agent_server_url"]);
    }

    #[test]
    fn short_secrets_are_problems() {
        check("cron_secret", "hunter2", &["cron_secret"]);
        check("encryption_secret", "0123456789", &["encryption_secret"]);
    }

    #[test]
    fn keys_of_people_are_those_that_the_component_takes() {
        let armoured = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\\n{body}\\n-----END {label}-----")
        };
        let ed25519 = "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
        check("auth_public_key_pem", &armoured("PUBLIC KEY", ed25519), &[]);
        for text in [
            armoured("PUBLIC KEY", "bm90IGEga2V5"),
            // RSA with 512 bits.
            armoured(
                "RSA PUBLIC KEY",
                "MEgCQQCo9+BpMRYQ/dL3DS2CyJxRF+j6ctbT3/Qp84+KeFhnii7NT7fELilKUSnxS30WAvQCCo2yU1orfgqr41mM70MBAgMBAAE=",
            ),
            armoured("CERTIFICATE", ed25519),
            "hunter2".to_owned(),
        ] {
            check("auth_public_key_pem", &text, &["auth_public_key_pem"]);
        }
    }

    #[test]
    fn keys_belong_together() {
        let other = "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
        check("signing_public_key_b64", other, &["signing_public_key_b64"]);
        check("signing_private_key_b64", "bm90IGEga2V5", &["signing_private_key_b64"]);
    }

    /// As `myrmidon up` made it, before somebody added an identity provider.
    #[test]
    fn a_key_document_needs_the_name_of_its_issuer_and_wins() {
        let url = "https://issuer.example/jwks";
        check("auth_jwks_url", url, &["auth_issuer"]);
        let mut values = installed();
        values.insert("auth_jwks_url".into(), url.into());
        let named = |values: &BTreeMap<String, String>, issuer: &str| {
            let mut values = values.clone();
            values.insert("auth_issuer".into(), issuer.into());
            Configuration::new(values, Some("key".to_owned()))
        };
        assert_eq!(named(&values, " ").problems()[0].variable, "auth_issuer");
        let complete = named(&values, "https://issuer.example");
        assert_eq!((complete.problems(), complete.token_key()), (vec![], None));
        values.remove("auth_jwks_url");
        assert_eq!(named(&values, "myrmidon").token_key(), Some("key"));
    }

    #[test]
    fn people_may_have_accounts_here_alone() {
        let mut values = installed();
        values.remove("auth_public_key_pem");
        values.remove("auth_issuer");
        assert_eq!(Configuration::new(values, None).problems(), []);
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let problems = Configuration::new(BTreeMap::new(), None).problems();
        assert_eq!(problems.len(), 5, "{problems:?}");
    }
}

//! Tokens of people for local use, signed with the installation's own key.
//!
//! Where an identity provider signs (`auth_jwks_url`), there is no such key and nothing to print.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, ValueEnum};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::{Installation, configuration::Configuration, keys};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// The organisation that its holder acts for
    #[arg(long)]
    org: String,
    #[arg(long, value_enum)]
    role: Role,
    /// The holder's user id
    #[arg(long, default_value = "local")]
    user: String,
    /// How long it is valid, as in 15m, 12h or 7d
    #[arg(long, default_value = "12h", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

#[derive(ValueEnum, Clone, Copy)]
pub(crate) enum Role {
    Admin,
    Operator,
    Analyst,
    Explorer,
}

#[expect(clippy::print_stdout, reason = "the token is the answer")]
pub(crate) fn run(options: &Options) -> Result<()> {
    let configuration = Configuration::read(&options.installation)?;
    let Options { org, role, user, ttl, .. } = options;
    println!("{}", sign(&configuration, user, org, *role, *ttl)?);
    Ok(())
}

/// Signs as the configured issuer would, with the claims that the configuration asks for.
pub(crate) fn sign(
    configuration: &Configuration,
    user: &str,
    org: &str,
    role: Role,
    ttl: Duration,
) -> Result<String> {
    let key = configuration.token_key().with_context(|| {
        format!(
            "no {} here: tokens come from the identity provider, or run `myrmidon up` first",
            keys::TOKEN_KEY
        )
    })?;
    let now = jiff::Timestamp::now().as_second();
    let role = role.to_possible_value().context("every role has a name")?;
    let mut claims = BTreeMap::from([
        ("sub", json!(user)),
        ("org_id", json!(org)),
        ("metadata", json!({ "role": role.get_name() })),
        ("iat", json!(now)),
        ("nbf", json!(now)),
        ("exp", json!(now.saturating_add_unsigned(ttl.as_secs()))),
    ]);
    for (claim, variable) in [("iss", "auth_issuer"), ("aud", "auth_audience")] {
        if let Some(value) = configuration.value(variable) {
            claims.insert(claim, json!(value));
        }
    }
    if let Some(parties) = configuration.value("auth_authorized_parties") {
        claims.insert("azp", json!(parties.split(',').next().unwrap_or_default().trim()));
    }
    let der = BASE64.decode(key).context("the token key is not base64")?;
    let token = jsonwebtoken::encode(
        &Header::new(Algorithm::EdDSA),
        &claims,
        &EncodingKey::from_ed_der(&der),
    )?;
    Ok(token)
}

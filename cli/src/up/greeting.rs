//! What a person needs to begin: the address, a token, and a command that enrolls a first agent.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};

use crate::{
    configuration::Configuration,
    token::{self, Role},
};

const ORGANISATION: &str = "local";
const TOKEN_TTL: Duration = Duration::from_hours(12);

pub(super) struct Greeting {
    url: String,
    /// None where an identity provider signs: people sign in there.
    local: Option<Local>,
}

struct Local {
    admin_token: String,
    enrollment_token: String,
}

/// The address to call, as seen from this machine.
pub(super) fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

pub(super) async fn compose(
    application: &host::Application,
    configuration: &Configuration,
    address: SocketAddr,
) -> Result<Greeting> {
    let mut greeting = Greeting { url: url(address), local: None };
    if configuration.token_key().is_some() {
        let admin_token =
            token::sign(configuration, "local", ORGANISATION, Role::Admin, TOKEN_TTL)?;
        let enrollment_token = mint(application, &admin_token, address).await?;
        greeting.local = Some(Local { admin_token, enrollment_token });
    }
    Ok(greeting)
}

/// Asks the application itself, as its administrator would.
async fn mint(
    application: &host::Application,
    admin_token: &str,
    address: SocketAddr,
) -> Result<String> {
    let body = serde_json::json!({ "org_id": ORGANISATION, "ttl_hours": 24, "max_uses": 10 });
    let request = http::Request::post("/api/agent/admin/tokens")
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {admin_token}"))
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body.to_string())))?;
    let answer = application.handle(request, address).await;
    let status = answer.status();
    let body = answer
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    if status != http::StatusCode::CREATED {
        bail!(
            "the application answered {status} to its first request: {}",
            String::from_utf8_lossy(&body)
        );
    }
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    let token = answer["data"]["token"].as_str().context("the application minted no token")?;
    Ok(token.to_owned())
}

#[expect(clippy::print_stdout, reason = "the greeting is for whoever started us")]
pub(super) fn print(greeting: &Greeting) {
    let Greeting { url, local } = greeting;
    println!("\nMyrmidon serves {url}\n");
    let Some(Local { admin_token, enrollment_token }) = local else {
        println!("Sign in at the configured identity provider.\n");
        return;
    };
    println!(
        "An administrator's token, organisation `{ORGANISATION}`, valid for 12 hours:\n\n  {admin_token}\n"
    );
    println!("Enroll a first agent:\n");
    println!("  achilles-agent --enroll {enrollment_token} --server {url}\n");
    println!("or, without one at hand:\n");
    println!("  curl -X POST {url}/api/agent/enroll -H 'Content-Type: application/json' \\");
    println!(
        "    -d '{{\"token\":\"{enrollment_token}\",\"hostname\":\"first\",\"os\":\"linux\",\"arch\":\"amd64\",\"agent_version\":\"0.6.2\"}}'\n"
    );
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn an_unspecified_address_is_called_by_loopback() {
        assert_eq!(url("0.0.0.0:8080".parse().unwrap()), "http://127.0.0.1:8080");
        assert_eq!(url("[::1]:80".parse().unwrap()), "http://[::1]:80");
    }
}

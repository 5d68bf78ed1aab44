//! What a person needs to begin: the address, a token, and a command that enrolls a first agent.

use std::{fmt, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};

use crate::{
    configuration::Configuration,
    token::{self, Role},
};

const ORGANISATION: &str = "local";
const TOKEN_TTL: Duration = Duration::from_hours(12);

const TOKENS: &str = "/api/agent/admin/tokens";

/// What asks [`TOKENS`] for a token.
fn token_request() -> String {
    serde_json::json!({ "org_id": ORGANISATION, "ttl_hours": 24, "max_uses": 10 }).to_string()
}

pub(super) struct Greeting {
    url: String,
    /// None where an identity provider signs: people sign in there.
    local: Option<Local>,
}

struct Local {
    admin_token: String,
    /// Or why there is none, as where too many were minted lately: no reason not to serve.
    enrollment_token: Result<String>,
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
        let enrollment_token = mint(application, &admin_token, address).await;
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
    let request = http::Request::post(TOKENS)
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {admin_token}"))
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(token_request())))?;
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
    println!("{greeting}");
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, local } = self;
        writeln!(f, "\nMyrmidon serves {url}\n")?;
        match local {
            None => writeln!(f, "Sign in at the configured identity provider."),
            Some(local) => local.tell(url, f),
        }
    }
}

impl Local {
    fn tell(&self, url: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { admin_token, enrollment_token } = self;
        writeln!(
            f,
            "An administrator's token, organisation `{ORGANISATION}`, valid for 12 hours:\n\n  {admin_token}\n"
        )?;
        match enrollment_token {
            Ok(token) => enroll(url, token, f),
            Err(error) => {
                writeln!(f, "No enrollment token could be minted: {error:#}.")?;
                writeln!(f, "To enroll a first agent, ask for one with the token above:\n")?;
                writeln!(f, "  curl -X POST {url}{TOKENS} -H 'Content-Type: application/json' \\")?;
                let body = token_request();
                writeln!(f, "    -H 'Authorization: Bearer {admin_token}' -d '{body}'")
            }
        }
    }
}

fn enroll(url: &str, token: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let agent = serde_json::json!({
        "token": token, "hostname": "first", "os": "linux", "arch": "amd64", "agent_version": "0.6.2",
    });
    writeln!(f, "Enroll a first agent:\n")?;
    writeln!(f, "  achilles-agent --enroll {token} --server {url}\n")?;
    writeln!(f, "or, without one at hand:\n")?;
    writeln!(f, "  curl -X POST {url}/api/agent/enroll -H 'Content-Type: application/json' \\")?;
    writeln!(f, "    -d '{agent}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(enrollment_token: Result<String>) -> String {
        let local = Local { admin_token: "eyJ.a.b".into(), enrollment_token };
        Greeting { url: "http://127.0.0.1:3000".into(), local: Some(local) }.to_string()
    }

    #[test]
    fn an_unspecified_address_is_called_by_loopback() {
        assert_eq!(url("0.0.0.0:8080".parse().unwrap()), "http://127.0.0.1:8080");
        assert_eq!(url("[::1]:80".parse().unwrap()), "http://[::1]:80");
    }

    #[test]
    fn a_token_is_ready_to_enroll_with() {
        let text = greeting(Ok("t-1".into()));
        assert!(
            text.contains("achilles-agent --enroll t-1 --server http://127.0.0.1:3000\n"),
            "{text}"
        );
    }

    #[test]
    fn without_a_token_the_way_to_one_is_told() {
        let text = greeting(Err(anyhow::anyhow!("429 Too Many Requests")));
        assert!(text.contains("could be minted: 429 Too Many Requests."), "{text}");
        assert!(
            text.contains("curl -X POST http://127.0.0.1:3000/api/agent/admin/tokens"),
            "{text}"
        );
        assert!(!text.contains("--enroll"), "{text}");
    }
}

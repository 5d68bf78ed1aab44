//! `GET /api/agent/version`: whether there is another agent to run.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, HeaderName, Request, Response, StatusCode, openapi::Operation};

use crate::{bindings::myrmidon::domain::distribution, caller::Device, faults};

const AGENT_VERSION: HeaderName = HeaderName::from_static("x-agent-version");

#[derive(JsonSchema, Serialize)]
struct VersionCheck<'a> {
    version: &'a str,
    sha256: &'a str,
    size: u64,
    mandatory: bool,
    signature: &'a str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Ask for another agent to run")
        .answers::<VersionCheck<'_>>(200)
        .answers_empty(204)
}

pub(crate) async fn check(device: Device, request: Request) -> Answer {
    let checked =
        distribution::check_version(device.credentials()).await.map_err(faults::turned_away)?;
    let running = request.header(AGENT_VERSION);
    let response = match checked.latest.filter(|it| Some(it.version.as_str()) != running) {
        Some(release) => Response::data(
            StatusCode::OK,
            &VersionCheck {
                version: &release.version,
                sha256: &release.binary_sha256,
                size: release.binary_size,
                mandatory: release.mandatory,
                signature: &release.binary_signature,
            },
        )?,
        None => Response::empty(StatusCode::NO_CONTENT),
    };
    Ok(response.with_budget(&checked.budget))
}

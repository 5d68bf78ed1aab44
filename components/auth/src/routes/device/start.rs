//! `POST /api/cli/auth/device-code`. Whatever comes as a body is ignored.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    contract::{Fault, Timestamp},
    openapi::Operation,
    settings,
};

use crate::{bindings::myrmidon::domain::device_logins, faults};

#[derive(JsonSchema, Serialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_url: String,
    expires_at: Timestamp,
    poll_interval: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Begin to sign a device in").answers::<Started>(200).refuses(&[429, 503])
}

pub(crate) async fn start(request: Request) -> Answer {
    let console = settings::variable("cors_origin")
        .await
        .map_err(|_| Problem::from(Fault::Unavailable))?
        .unwrap_or_else(|| "http://localhost:5173".to_owned());
    let it = device_logins::start(request.origin()).await.map_err(faults::start)?;
    let started = Started {
        verification_url: format!("{console}/cli-auth?code={}", it.user_code),
        device_code: it.device_code,
        user_code: it.user_code,
        expires_at: it.expires_at,
        poll_interval: it.poll_interval,
    };
    Ok(Response::data(StatusCode::OK, &started)?.with_budget(&it.budget))
}

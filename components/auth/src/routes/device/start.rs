//! `POST /api/cli/auth/device-code`. Whatever comes as a body is ignored.

use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    contract::{Fault, Timestamp},
    settings,
};

use crate::{bindings::myrmidon::domain::device_logins, faults};

#[derive(Serialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_url: String,
    expires_at: Timestamp,
    poll_interval: u32,
}

pub(crate) async fn start(request: Request) -> Answer {
    let console = settings::variable("cors_origin")
        .await
        .map_err(|_| Problem::from(Fault::Unavailable))?
        .unwrap_or_else(|| "http://localhost:5173".to_owned());
    let it = device_logins::start(request.client_address()).await.map_err(faults::start)?;
    let started = Started {
        verification_url: format!("{console}/cli-auth?code={}", it.user_code),
        device_code: it.device_code,
        user_code: it.user_code,
        expires_at: it.expires_at,
        poll_interval: it.poll_interval,
    };
    Response::data(StatusCode::OK, &started)
}

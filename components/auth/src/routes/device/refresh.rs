//! `POST /api/cli/auth/refresh`: a refresh token works until it expires, since the public client
//! keeps the first one (console.md §6.1).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode, body::Rules, contract::Timestamp, openapi::Operation,
};

use crate::{bindings::myrmidon::domain::device_logins, faults, routes::refresh_token};

#[derive(JsonSchema, Serialize)]
struct Refreshed {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Go on with a device's session")
        .body(Rules::STRICT, crate::routes::read_refresh_token)
        .answers::<Refreshed>(200)
        .refuses(&[401, 429, 503])
}

pub(crate) async fn refresh(mut request: Request) -> Answer {
    let token = refresh_token(&mut request).await?;
    let it = device_logins::refresh(token, request.origin()).await.map_err(faults::refresh)?;
    let refreshed = Refreshed {
        access_token: it.access_token,
        refresh_token: it.refresh_token,
        expires_at: it.expires_at,
    };
    Response::data(StatusCode::OK, &refreshed)
}

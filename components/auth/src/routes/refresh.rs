//! `POST /api/auth/refresh`: each refresh token works once; a second time ends its session.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode, body::Rules, contract::Timestamp, openapi::Operation,
};

use crate::{bindings::myrmidon::domain::sessions, faults};

#[derive(JsonSchema, Serialize)]
struct Refreshed {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
    token_type: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Go on with a session")
        .body(Rules::STRICT, super::read_refresh_token)
        .answers::<Refreshed>(200)
        .refuses(&[401, 429, 503])
}

pub(crate) async fn refresh(mut request: Request) -> Answer {
    let token = super::refresh_token(&mut request).await?;
    let it = sessions::refresh(token, request.origin()).await.map_err(faults::refresh)?;
    let refreshed = Refreshed {
        access_token: it.access_token,
        refresh_token: it.refresh_token,
        expires_at: it.expires_at,
        token_type: "Bearer",
    };
    Response::data(StatusCode::OK, &refreshed)
}

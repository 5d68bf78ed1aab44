//! `POST /api/auth/logout`: the session of a refresh token ends. Whether there was one is not told.

use web::{Answer, Request, Response, body::Rules, openapi::Operation};

use crate::bindings::myrmidon::domain::sessions;

pub(crate) fn describe() -> Operation {
    Operation::new("End a session")
        .body(Rules::STRICT, super::read_refresh_token)
        .succeeds()
        .refuses(&[503])
}

pub(crate) async fn sign_out(mut request: Request) -> Answer {
    let token = super::refresh_token(&mut request).await?;
    sessions::sign_out(token, request.origin()).await?;
    Ok(Response::success())
}

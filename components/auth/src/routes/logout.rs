//! `POST /api/auth/logout`: the session of a refresh token ends. Whether there was one is not told.

use web::{Answer, Request, Response};

use crate::bindings::myrmidon::domain::sessions;

pub(crate) async fn sign_out(mut request: Request) -> Answer {
    let token = super::refresh_token(&mut request).await?;
    sessions::sign_out(token).await?;
    Ok(Response::success())
}

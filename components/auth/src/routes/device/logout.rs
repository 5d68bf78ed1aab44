//! `POST /api/cli/auth/logout`: the device's session ends. Whether there was one is not told.

use web::{Answer, Request, Response, body::Rules, openapi::Operation};

use crate::{bindings::myrmidon::domain::device_logins, routes::refresh_token};

pub(crate) fn describe() -> Operation {
    Operation::new("End a device's session")
        .body(Rules::STRICT, crate::routes::read_refresh_token)
        .succeeds()
        .refuses(&[503])
}

pub(crate) async fn sign_out(mut request: Request) -> Answer {
    let token = refresh_token(&mut request).await?;
    device_logins::sign_out(token, request.origin()).await?;
    Ok(Response::success())
}

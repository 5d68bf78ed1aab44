//! `POST /api/cli/auth/logout`: the device's session ends. Whether there was one is not told.

use web::{Answer, Request, Response};

use crate::{bindings::myrmidon::domain::device_logins, routes::refresh_token};

pub(crate) async fn sign_out(mut request: Request) -> Answer {
    let token = refresh_token(&mut request).await?;
    device_logins::sign_out(token).await?;
    Ok(Response::success())
}

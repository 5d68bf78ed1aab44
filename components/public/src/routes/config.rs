//! `GET /api/agent/config`: where agents find us; the console prints install commands from it.

use serde::Serialize;
use web::{Answer, Request, Response, StatusCode};

use crate::bindings::myrmidon::domain::enrollment;

#[derive(Serialize)]
struct Config {
    server_url: String,
}

pub(crate) async fn show(_: Request) -> Answer {
    let server_url = enrollment::server_url().await?;
    Response::data(StatusCode::OK, &Config { server_url })
}

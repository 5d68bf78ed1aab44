//! `GET /api/agent/config`: where agents find us; the console prints install commands from it.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::bindings::myrmidon::domain::enrollment;

#[derive(JsonSchema, Serialize)]
struct Config {
    server_url: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Tell where agents find us").answers::<Config>(200).refuses(&[503])
}

pub(crate) async fn show(_: Request) -> Answer {
    let server_url = enrollment::server_url().await?;
    Response::data(StatusCode::OK, &Config { server_url })
}

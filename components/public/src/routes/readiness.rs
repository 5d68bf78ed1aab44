//! `GET /api/health/ready`: that requests can be served, the database included (D-86).

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::bindings::myrmidon::domain::readiness;

#[derive(JsonSchema, Serialize)]
struct Ready {
    status: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Tell whether requests can be served")
        .answers_plainly::<Ready>(200)
        .refuses(&[503])
}

pub(crate) async fn show(_: Request) -> Answer {
    readiness::check().await?;
    Response::json(StatusCode::OK, &Ready { status: "ready" })
}

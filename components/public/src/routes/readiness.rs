//! `GET /api/health/ready`: that requests can be served, the database included (D-86).

use serde::Serialize;
use web::{Answer, Request, Response, StatusCode};

use crate::bindings::myrmidon::domain::readiness;

#[derive(Serialize)]
struct Ready {
    status: &'static str,
}

pub(crate) async fn show(_: Request) -> Answer {
    readiness::check().await?;
    Response::json(StatusCode::OK, &Ready { status: "ready" })
}

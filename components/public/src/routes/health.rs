//! `GET /api/health`: that this component runs. It asks nobody else.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, contract::Timestamp, openapi::Operation};

#[derive(JsonSchema, Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
    platform: &'static str,
    version: &'static str,
    timestamp: Timestamp,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Tell that this component runs").answers_plainly::<Health>(200)
}

pub(crate) async fn show(_: Request) -> Answer {
    let health = Health {
        status: "ok",
        // The name that the agents' tools look for.
        service: "ProjectAchilles",
        platform: "spin",
        version: env!("CARGO_PKG_VERSION"),
        timestamp: now(),
    };
    Response::json(StatusCode::OK, &health)
}

#[expect(clippy::disallowed_methods, reason = "nothing is decided by it: the time is the answer")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
}

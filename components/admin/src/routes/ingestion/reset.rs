//! `POST /api/agent/admin/ingestion/reset`: give what was given up another ten attempts (D-78).

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::{bindings::myrmidon::domain::results, caller::Caller, permission::CreateTasks};

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    reset: u32,
    /// Still waiting for another call.
    permanently_failed: u64,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Give results that were given up their attempts back").answers::<Report>(200)
}

pub(crate) async fn reset(caller: Caller<CreateTasks>, _: Request) -> Answer {
    let done = results::reset(caller.actor()).await?;
    let report = Report { reset: done.tasks, permanently_failed: done.given_up };
    Response::data(StatusCode::OK, &report)
}

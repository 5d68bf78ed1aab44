//! `POST /api/agent/admin/ingestion/retry`: one batch now, of what is due.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::{bindings::myrmidon::domain::results, caller::Caller, permission::CreateTasks};

const BATCH: u32 = 50;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    attempted: u32,
    succeeded: u32,
    failed: u32,
    permanently_failed: u64,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Store results that are due").answers::<Report>(200)
}

pub(crate) async fn retry(caller: Caller<CreateTasks>, _: Request) -> Answer {
    let tally = results::retry(caller.actor(), BATCH).await?;
    let report = Report {
        attempted: tally.attempted,
        succeeded: tally.succeeded,
        failed: tally.failed,
        permanently_failed: tally.given_up,
    };
    Response::data(StatusCode::OK, &report)
}

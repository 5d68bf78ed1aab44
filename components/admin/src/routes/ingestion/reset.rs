//! `POST /api/agent/admin/ingestion/reset`: give what was given up another ten attempts (D-78).

use serde::Serialize;
use web::{Answer, Request, Response, StatusCode};

use crate::{bindings::myrmidon::domain::results, caller::Caller, permission::CreateTasks};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    reset: u32,
    /// Still waiting for another call.
    permanently_failed: u64,
}

pub(crate) async fn reset(caller: Caller<CreateTasks>, _: Request) -> Answer {
    let done = results::reset(caller.actor()).await?;
    let report = Report { reset: done.tasks, permanently_failed: done.given_up };
    Response::data(StatusCode::OK, &report)
}

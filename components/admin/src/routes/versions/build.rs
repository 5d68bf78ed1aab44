//! `POST /api/agent/admin/versions/build`: there is no compiler here.

use web::{Answer, Problem, Request, StatusCode, openapi::Operation};

use crate::{caller::Caller, permission::CreateVersions};

pub(crate) fn describe() -> Operation {
    Operation::new("Build the agent: there is no compiler here").refuses(&[503])
}

pub(crate) async fn build(_: Caller<CreateVersions>, _: Request) -> Answer {
    Err(Problem::refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "Agent build from source is not available — agent source path not configured",
    ))
}

//! `GET /api/agent/admin/approvals/{id}`.

use web::{Answer, Problem, Request, Response, StatusCode, openapi::Operation};

use super::Shown;
use crate::{bindings::myrmidon::domain::approvals, caller::Caller, permission::ReadTasks};

pub(crate) fn describe() -> Operation {
    Operation::new("Show an approval").answers::<Shown>(200).refuses(&[404])
}

pub(crate) async fn show(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let found =
        approvals::find_approval(caller.actor(), request.parameter("id").to_owned()).await?;
    let approval = found.ok_or_else(|| Problem::not_found("Approval not found"))?;
    Response::data(StatusCode::OK, &Shown::from(approval))
}

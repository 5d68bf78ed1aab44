//! `POST /api/agent/admin/approvals/{id}/approve`: let it happen. Not for whoever asked for it.

use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use super::{Shown, shape};
use crate::{bindings::myrmidon::domain::approvals, caller::Caller, faults, permission::ReadTasks};

pub(crate) fn describe() -> Operation {
    Operation::new("Approve what another person asked for")
        .answers::<Shown>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn approve(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    shape::require_same(&caller, &id).await?;
    let approved = approvals::approve(caller.actor(), id).await.map_err(faults::decision)?;
    Response::data(StatusCode::OK, &Shown::from(approved))
}

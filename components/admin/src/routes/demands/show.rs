//! `GET /api/agent/admin/settings/approvals`.

use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use super::Shown;
use crate::{bindings::myrmidon::domain::approvals, caller::Caller, permission::ReadSettings};

pub(crate) fn describe() -> Operation {
    Operation::new("Show what two people are needed for").answers::<Shown>(200)
}

pub(crate) async fn show(caller: Caller<ReadSettings>, _: Request) -> Answer {
    let demands = approvals::find_demands(caller.actor()).await?;
    Response::data(StatusCode::OK, &Shown::from(demands))
}

//! `GET /api/agent/admin/schedules/{id}`. Reading never moves a run (D-52).

use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use super::shown::Shown;
use crate::{
    bindings::myrmidon::domain::schedules, caller::Caller, faults::schedules::not_found,
    permission::ReadSchedules,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Show a schedule").answers::<Shown>(200).refuses(&[404])
}

pub(crate) async fn show(caller: Caller<ReadSchedules>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    let found = schedules::find_schedule(caller.actor(), id).await?.ok_or_else(not_found)?;
    Response::data(StatusCode::OK, &Shown::from(found))
}

//! `DELETE /api/agent/admin/schedules/{id}`: repeatable; tasks that were made stay.

use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::{
    bindings::myrmidon::domain::schedules, caller::Caller, faults::schedules::not_found,
    permission::DeleteSchedules,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Delete a schedule").answers::<()>(200).refuses(&[404])
}

pub(crate) async fn remove(caller: Caller<DeleteSchedules>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    if !schedules::delete_schedule(caller.actor(), id).await? {
        return Err(not_found());
    }
    Response::data(StatusCode::OK, &())
}

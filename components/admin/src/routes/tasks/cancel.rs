//! `POST /api/agent/admin/tasks/{id}/cancel`: give a task up, whatever its agent is doing with it.

use web::{Answer, Request, Response, StatusCode, contract::Task, openapi::Operation};

use crate::{bindings::myrmidon::domain::tasks, caller::Caller, faults, permission::CancelTasks};

pub(crate) fn describe() -> Operation {
    Operation::new("Cancel a task").answers::<Task>(200).refuses(&[404])
}

pub(crate) async fn cancel(caller: Caller<CancelTasks>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    let task = tasks::cancel(caller.actor(), id).await.map_err(faults::cancellation)?;
    Response::data(StatusCode::OK, &task)
}

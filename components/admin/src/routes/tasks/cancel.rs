//! `POST /api/agent/admin/tasks/{id}/cancel`: give a task up, whatever its agent is doing with it.

use web::{Answer, Request, Response, StatusCode};

use crate::{bindings::myrmidon::domain::tasks, caller::Caller, faults, permission::CancelTasks};

pub(crate) async fn cancel(caller: Caller<CancelTasks>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    let task = tasks::cancel(caller.actor(), id).await.map_err(faults::cancellation)?;
    Response::data(StatusCode::OK, &task)
}

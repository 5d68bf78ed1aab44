//! `DELETE /api/agent/admin/tasks/{id}`: forget a task, whatever its status.

use web::{Answer, Problem, Request, Response, StatusCode, openapi::Operation};

use crate::{bindings::myrmidon::domain::tasks, caller::Caller, permission::DeleteTasks};

pub(crate) fn describe() -> Operation {
    Operation::new("Delete a task").answers::<()>(200).refuses(&[404])
}

pub(crate) async fn remove(caller: Caller<DeleteTasks>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    if tasks::delete(caller.actor(), id).await? {
        Response::data(StatusCode::OK, &())
    } else {
        Err(Problem::not_found("Task not found"))
    }
}

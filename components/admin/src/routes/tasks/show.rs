//! `GET /api/agent/admin/tasks/{id}`.

use web::{Answer, Problem, Request, Response, StatusCode, contract::Task, openapi::Operation};

use crate::{bindings::myrmidon::domain::tasks, caller::Caller, permission::ReadTasks};

pub(crate) fn describe() -> Operation {
    Operation::new("Show a task").answers::<Task>(200).refuses(&[404])
}

pub(crate) async fn show(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let found = tasks::find_task(caller.actor(), request.parameter("id").to_owned()).await?;
    Response::data(StatusCode::OK, &found.ok_or_else(|| Problem::not_found("Task not found"))?)
}

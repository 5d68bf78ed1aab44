//! `GET /api/agent/admin/tasks/{id}`.

use web::{Answer, Problem, Request, Response, StatusCode};

use crate::{bindings::myrmidon::domain::tasks, caller::Caller, permission::ReadTasks};

pub(crate) async fn show(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let found = tasks::find_task(caller.actor(), request.parameter("id").to_owned()).await?;
    Response::data(StatusCode::OK, &found.ok_or_else(|| Problem::not_found("Task not found"))?)
}

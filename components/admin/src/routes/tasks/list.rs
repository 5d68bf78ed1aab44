//! `GET /api/agent/admin/tasks`: newest first.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    contract::{Task, TaskStatus, TaskType},
    openapi::Operation,
};

use super::filter;
use crate::{bindings::myrmidon::domain::tasks, caller::Caller, permission::ReadTasks};

#[derive(Default, JsonSchema, Serialize)]
struct Listed {
    tasks: Vec<Task>,
    total: u64,
    next_cursor: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List tasks")
        .query(filter::read)
        .query_word::<TaskStatus>("status")
        .query_word::<TaskType>("type")
        .answers::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let listed = match filter::read(&request.query()?)? {
        Some(filter) => {
            let page = tasks::list_tasks(caller.actor(), filter).await?;
            Listed { tasks: page.tasks, total: page.total, next_cursor: filter::cursor(page.next)? }
        }
        None => Listed::default(),
    };
    Response::data(StatusCode::OK, &listed)
}

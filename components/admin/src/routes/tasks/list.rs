//! `GET /api/agent/admin/tasks`: newest first.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Query, Request, Response, StatusCode,
    contract::{Task, TaskStatus, TaskType, choices::Choice as _},
    openapi::Operation,
};

use crate::{
    bindings::myrmidon::domain::tasks::{self, TaskFilter},
    caller::Caller,
    permission::ReadTasks,
};

#[derive(Default, JsonSchema, Serialize)]
struct Listed {
    tasks: Vec<Task>,
    total: u64,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List tasks")
        .query(filter)
        .query_word::<TaskStatus>("status")
        .query_word::<TaskType>("type")
        .answers::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let listed = match filter(&request.query()?)? {
        Some(filter) => {
            let page = tasks::list_tasks(caller.actor(), filter).await?;
            Listed { tasks: page.tasks, total: page.total }
        }
        None => Listed::default(),
    };
    Response::data(StatusCode::OK, &listed)
}

/// None where a word is asked for that no task has.
fn filter(query: &Query) -> Result<Option<TaskFilter>, Problem> {
    let page = query.page(50)?;
    let (status, kind) = (query.one("status")?, query.one("type")?);
    let filter = TaskFilter {
        agent_id: query.text("agent_id")?,
        status: status.and_then(TaskStatus::from_word),
        type_: kind.and_then(TaskType::from_word),
        search: query.text("search")?,
        limit: page.limit,
        offset: page.offset,
    };
    let known =
        status.is_none() == filter.status.is_none() && kind.is_none() == filter.type_.is_none();
    Ok(known.then_some(filter))
}

//! `GET /api/agent/admin/tasks/grouped`: tasks by the call that created them, newest first.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    contract::{Json, Task, TaskStatus, TaskType, Timestamp},
    openapi::Operation,
};

use super::filter;
use crate::{
    bindings::myrmidon::domain::tasks::{self, TaskGroup},
    caller::Caller,
    permission::ReadTasks,
};

#[derive(Default, JsonSchema, Serialize)]
struct Grouped {
    groups: Vec<Group>,
    total: u64,
    next_cursor: Option<String>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Group {
    batch_id: String,
    #[serde(rename = "type")]
    kind: TaskType,
    payload: Json,
    created_at: Timestamp,
    created_by: Option<String>,
    agent_count: u32,
    status_counts: Json,
    tasks: Vec<Task>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List tasks by the call that made them")
        .query(filter::read)
        .query_word::<TaskStatus>("status")
        .query_word::<TaskType>("type")
        .answers::<Grouped>(200)
}

pub(crate) async fn list(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let grouped = match filter::read(&request.query()?)? {
        Some(filter) => {
            let page = tasks::list_groups(caller.actor(), filter).await?;
            let groups = page.groups.into_iter().map(Group::from).collect();
            Grouped { groups, total: page.total, next_cursor: filter::cursor(page.next)? }
        }
        None => Grouped::default(),
    };
    Response::data(StatusCode::OK, &grouped)
}

impl From<TaskGroup> for Group {
    fn from(it: TaskGroup) -> Self {
        Self {
            batch_id: it.batch_id,
            kind: it.type_,
            payload: it.payload,
            created_at: it.created_at,
            created_by: it.created_by,
            agent_count: it.agent_count,
            status_counts: it.status_counts,
            tasks: it.tasks,
        }
    }
}

//! `GET /api/agent/admin/tasks/batches/{batch_id}`: one call's tasks, page by page.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Problem, Request, Response, StatusCode, openapi::Operation};

use super::grouped::Group;
use crate::{bindings::myrmidon::domain::tasks, caller::Caller, permission::ReadTasks};

#[derive(JsonSchema, Serialize)]
struct Batch {
    #[serde(flatten)]
    group: Group,
    total: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Show the tasks of one call")
        .query(|query| query.page(50))
        .answers::<Batch>(200)
        .refuses(&[404])
}

pub(crate) async fn show(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let page = request.query()?.page(50)?;
    let id = request.parameter("batch_id").to_owned();
    let found = tasks::find_batch(caller.actor(), id, page.limit, page.offset).await?;
    let group = found.ok_or_else(|| Problem::not_found("Batch not found"))?;
    let total = group.agent_count;
    Response::data(StatusCode::OK, &Batch { group: group.into(), total })
}

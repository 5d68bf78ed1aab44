//! `GET /api/agent/admin/tasks/batches/{batch_id}`: one call's tasks, page by page.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Page, Problem, Query, Request, Response, StatusCode, contract::Timestamp, cursor,
    openapi::Operation,
};

use super::grouped::Group;
use crate::{
    bindings::myrmidon::domain::tasks::{self, MemberPosition},
    caller::Caller,
    permission::ReadTasks,
};

#[derive(JsonSchema, Serialize)]
struct Batch {
    #[serde(flatten)]
    group: Group,
    total: u32,
    next_cursor: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Show the tasks of one call").query(part).answers::<Batch>(200).refuses(&[404])
}

pub(crate) async fn show(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let (page, after) = part(&request.query()?)?;
    let id = request.parameter("batch_id").to_owned();
    let found = tasks::find_batch(caller.actor(), id, page.limit, page.offset, after).await?;
    let found = found.ok_or_else(|| Problem::not_found("Batch not found"))?;
    let total = found.group.agent_count;
    let next = found.next.map(|it| cursor::encode(&(it.hostname, it.created_at.unix_ms, it.id)));
    let batch = Batch { group: found.group.into(), total, next_cursor: next.transpose()? };
    Response::data(StatusCode::OK, &batch)
}

/// A page, or what is behind a task.
fn part(query: &Query) -> Result<(Page, Option<MemberPosition>), Problem> {
    let page = query.page(50)?;
    let after = query.cursor::<(String, i64, String)>()?;
    let position = |(hostname, unix_ms, id)| MemberPosition {
        hostname,
        created_at: Timestamp { unix_ms },
        id,
    };
    Ok((page, after.map(position)))
}

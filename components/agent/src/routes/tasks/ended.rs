//! Answers to a report about a task that had ended before. A 2xx, or a queued report would be
//! repeated for ever.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, HeaderName, HeaderValue, Response, StatusCode, contract::Task};

#[derive(JsonSchema, Serialize)]
pub(super) struct Unchanged<'a> {
    success: bool,
    data: &'a Task,
    idempotent: bool,
}

pub(super) fn already(task: &Task) -> Answer {
    let response =
        Response::json(StatusCode::OK, &Unchanged { success: true, data: task, idempotent: true })?;
    Ok(response.with(
        HeaderName::from_static("f0-task-state"),
        HeaderValue::from_static("terminal-idempotent"),
    ))
}

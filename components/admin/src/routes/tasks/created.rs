//! What the routes that create tasks have in common: whom the work is for, and the answer.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Response, StatusCode,
    schema::{Length, Object, Text, Whole},
};

/// The organisation that the body names, and the agents.
pub(super) struct Target {
    pub(super) org_id: String,
    pub(super) agent_ids: Vec<String>,
}

pub(super) fn target(body: &mut Object<'_>) -> Target {
    let agents = Length { empty: Some("At least one agent_id is required"), most: 1000 };
    Target {
        org_id: body.string("org_id", Text::required(255, "org_id is required")),
        agent_ids: body.strings("agent_ids", agents, Text::any(255)),
    }
}

/// Seconds; five minutes where none are given.
pub(super) fn execution_timeout(body: &mut Object<'_>) -> u32 {
    body.optional_count("execution_timeout", Whole::positive(u32::MAX.into())).unwrap_or(300)
}

pub(super) fn priority(body: &mut Object<'_>) -> u8 {
    let priority = body.optional_count("priority", Whole::between(0, 10)).unwrap_or(1);
    u8::try_from(priority).unwrap_or_default()
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Created {
    task_ids: Vec<String>,
}

pub(super) fn answer(task_ids: Vec<String>) -> Answer {
    Response::data(StatusCode::CREATED, &Created { task_ids })
}

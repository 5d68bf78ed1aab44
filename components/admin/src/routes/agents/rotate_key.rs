//! `POST /api/agent/admin/agents/{id}/rotate-key`: a new key, which the agent fetches by itself.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, contract::Timestamp, openapi::Operation};

use crate::{bindings::myrmidon::domain::agents, caller::Caller, faults, permission::WriteAgents};

#[derive(JsonSchema, Serialize)]
struct NewKey {
    agent_id: String,
    agent_key: String,
    rotated_at: Timestamp,
    warning: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Give an agent a new key").answers::<NewKey>(200).refuses(&[404, 409])
}

pub(crate) async fn rotate(caller: Caller<WriteAgents>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    let it = agents::rotate_key(caller.actor(), id).await.map_err(faults::rotation)?;
    let rotated = NewKey {
        agent_id: it.agent_id,
        agent_key: it.agent_key,
        rotated_at: it.rotated_at,
        warning: "Copy this key as a backup. The agent will receive it automatically via heartbeat within ~60 seconds.",
    };
    Ok(Response::data(StatusCode::OK, &rotated)?.with_budget(&it.budget))
}

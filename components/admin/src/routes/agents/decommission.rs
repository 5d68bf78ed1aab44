//! `DELETE /api/agent/admin/agents/{id}`: the agent's life here ends, its row stays (D-36).

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, contract::AgentStatus, openapi::Operation};

use crate::{bindings::myrmidon::domain::agents, caller::Caller, faults, permission::DeleteAgents};

#[derive(JsonSchema, Serialize)]
struct Decommissioned {
    id: String,
    status: AgentStatus,
}

pub(crate) fn describe() -> Operation {
    Operation::new("End an agent's life").answers::<Decommissioned>(200).refuses(&[404, 409])
}

pub(crate) async fn decommission(caller: Caller<DeleteAgents>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    agents::decommission(caller.actor(), id.clone()).await.map_err(faults::agent_change)?;
    Response::data(StatusCode::OK, &Decommissioned { id, status: AgentStatus::Decommissioned })
}

//! `GET /api/agent/admin/agents/{id}` (fleet.md §4.3).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    contract::{AgentStatus, Arch, Json, Os, Timestamp},
    openapi::Operation,
};

use super::text_or_empty;
use crate::{
    bindings::myrmidon::domain::agents::{self, Agent},
    caller::Caller,
    permission::ReadAgents,
};

#[derive(JsonSchema, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own on the wire")]
pub(super) struct Shown {
    id: String,
    org_id: String,
    hostname: String,
    os: Os,
    arch: Arch,
    agent_version: String,
    status: AgentStatus,
    last_heartbeat: String,
    last_heartbeat_data: Option<Json>,
    enrolled_at: Timestamp,
    enrolled_by: Option<String>,
    tags: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    rotation_pending: bool,
    is_online: bool,
    rejected_since: Option<Timestamp>,
    /// Until when the key before the present one would open again, while another rotation waits.
    previous_key_expires_at: Option<Timestamp>,
    health_score: u8,
    is_stale: bool,
    duplicate: bool,
}

impl From<Agent> for Shown {
    fn from(it: Agent) -> Self {
        Self {
            id: it.id,
            org_id: it.org_id,
            hostname: it.hostname,
            os: it.os,
            arch: it.arch,
            agent_version: it.agent_version,
            status: it.status,
            last_heartbeat: text_or_empty(it.last_heartbeat),
            last_heartbeat_data: it.last_heartbeat_data,
            enrolled_at: it.enrolled_at,
            enrolled_by: it.enrolled_by,
            tags: it.tags,
            created_at: it.created_at,
            updated_at: it.updated_at,
            rotation_pending: it.rotation_pending,
            is_online: it.is_online,
            rejected_since: it.rejected_since,
            previous_key_expires_at: it.previous_key_expires_at,
            health_score: it.judged.health_score,
            is_stale: it.judged.is_stale,
            duplicate: it.judged.is_duplicate,
        }
    }
}

pub(crate) fn describe() -> Operation {
    Operation::new("Show an agent").answers::<Shown>(200).refuses(&[404])
}

pub(crate) async fn show(caller: Caller<ReadAgents>, request: Request) -> Answer {
    let found = agents::find_agent(caller.actor(), request.parameter("id").to_owned()).await?;
    let agent = found.ok_or_else(|| Problem::not_found("Agent not found"))?;
    Response::data(StatusCode::OK, &Shown::from(agent))
}

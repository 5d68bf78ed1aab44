//! `GET /api/agent/admin/agents`: the fleet, newest heartbeat first (fleet.md §4.2, §5.4).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Query, Request, Response, StatusCode,
    contract::{AgentStatus, Arch, Os, RuntimeStatus, Timestamp, choices::Choice as _},
    cursor,
    openapi::Operation,
};

use super::text_or_empty;
use crate::{
    bindings::myrmidon::domain::agents::{self, AgentFilter, AgentSummary, Position},
    caller::Caller,
    permission::ReadAgents,
};

#[derive(Default, JsonSchema, Serialize)]
struct Fleet {
    agents: Vec<Shown>,
    total: u64,
    next_cursor: Option<String>,
}

#[derive(JsonSchema, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own on the wire")]
struct Shown {
    id: String,
    org_id: String,
    hostname: String,
    os: Os,
    arch: Arch,
    agent_version: String,
    status: AgentStatus,
    runtime_status: RuntimeStatus,
    last_heartbeat: String,
    tags: Vec<String>,
    is_online: bool,
    rotation_pending: bool,
    rejected_since: Option<Timestamp>,
    health_score: u8,
    is_stale: bool,
    duplicate: bool,
}

impl From<AgentSummary> for Shown {
    fn from(it: AgentSummary) -> Self {
        Self {
            id: it.id,
            org_id: it.org_id,
            hostname: it.hostname,
            os: it.os,
            arch: it.arch,
            agent_version: it.agent_version,
            status: it.status,
            runtime_status: it.runtime_status,
            last_heartbeat: text_or_empty(it.last_heartbeat),
            tags: it.tags,
            is_online: it.is_online,
            rotation_pending: it.rotation_pending,
            rejected_since: it.rejected_since,
            health_score: it.judged.health_score,
            is_stale: it.judged.is_stale,
            duplicate: it.judged.is_duplicate,
        }
    }
}

pub(crate) fn describe() -> Operation {
    Operation::new("List agents")
        .query(filter)
        .query_word::<AgentStatus>("status")
        .query_word::<Os>("os")
        .answers::<Fleet>(200)
}

pub(crate) async fn list(caller: Caller<ReadAgents>, request: Request) -> Answer {
    let fleet = match filter(&request.query()?)? {
        Some(filter) => {
            let page = agents::list_agents(caller.actor(), filter).await?;
            let next = page.next.map(|it| (it.last_heartbeat.map(|it| it.unix_ms), it.id));
            Fleet {
                agents: page.agents.into_iter().map(Shown::from).collect(),
                total: page.total,
                next_cursor: next.as_ref().map(cursor::encode).transpose()?,
            }
        }
        None => Fleet::default(),
    };
    Response::data(StatusCode::OK, &fleet)
}

/// None where a word is asked for that no agent has.
fn filter(query: &Query) -> Result<Option<AgentFilter>, Problem> {
    let page = query.page(50)?;
    let after: Option<(Option<i64>, String)> = query.cursor()?;
    let (status, os) = (query.one("status")?, query.one("os")?);
    let filter = AgentFilter {
        status: status.and_then(AgentStatus::from_word),
        os: os.and_then(Os::from_word),
        hostname: query.text("hostname")?,
        tag: query.text("tag")?,
        online_only: query.one("online_only")? == Some("true"),
        stale_only: query.one("stale_only")? == Some("true"),
        limit: page.limit,
        offset: if after.is_some() { 0 } else { page.offset },
        after: after.map(|(unix_ms, id)| Position {
            last_heartbeat: unix_ms.map(|unix_ms| Timestamp { unix_ms }),
            id,
        }),
    };
    let known = status.is_none() == filter.status.is_none() && os.is_none() == filter.os.is_none();
    Ok(known.then_some(filter))
}

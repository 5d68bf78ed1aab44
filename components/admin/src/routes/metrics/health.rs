//! `GET /api/agent/admin/metrics/fleet-health` (fleet.md §12.3).

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::{
    bindings::myrmidon::domain::fleet, caller::Caller, permission::ReadAgents,
    routes::agents::number,
};

#[derive(JsonSchema, Serialize)]
struct Shown {
    fleet_uptime_percent_30d: Option<Number>,
    task_success_rate_7d: Option<Number>,
    mtbf_hours: Option<Number>,
    stale_agent_count: u64,
    stale_agent_ids: Vec<String>,
    avg_health_score: u8,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Judge the fleet's health").answers::<Shown>(200)
}

pub(crate) async fn show(caller: Caller<ReadAgents>, _: Request) -> Answer {
    let it = fleet::read_health(caller.actor()).await?;
    let shown = Shown {
        fleet_uptime_percent_30d: number(it.uptime_percent),
        task_success_rate_7d: number(it.success_percent),
        mtbf_hours: it.hours_between_failures.and_then(number),
        stale_agent_count: it.stale_agents,
        stale_agent_ids: it.stale_agent_ids,
        avg_health_score: it.average_score,
    };
    Response::data(StatusCode::OK, &shown)
}

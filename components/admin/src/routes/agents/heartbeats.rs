//! `GET /api/agent/admin/agents/{id}/heartbeats`: samples of some days, oldest first (fleet.md §12.3).

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;
use web::{
    Answer, Problem, Query, Request, Response, StatusCode, contract::Timestamp, openapi::Operation,
};

use super::number;
use crate::{
    bindings::myrmidon::domain::fleet::{self, Sample},
    caller::Caller,
    permission::ReadAgents,
};

#[derive(JsonSchema, Serialize)]
struct Shown {
    timestamp: Timestamp,
    cpu_percent: Option<Number>,
    memory_mb: Option<Number>,
    total_memory_mb: Option<Number>,
    disk_free_mb: Option<Number>,
    uptime_seconds: Option<i64>,
    process_cpu_percent: Option<Number>,
    process_memory_mb: Option<Number>,
}

impl From<Sample> for Shown {
    fn from(it: Sample) -> Self {
        Self {
            timestamp: it.recorded_at,
            cpu_percent: it.cpu_percent.and_then(number),
            memory_mb: it.memory_mb.and_then(number),
            total_memory_mb: it.total_memory_mb.and_then(number),
            disk_free_mb: it.disk_free_mb.and_then(number),
            uptime_seconds: it.uptime_seconds,
            process_cpu_percent: it.process_cpu_percent.and_then(number),
            process_memory_mb: it.process_memory_mb.and_then(number),
        }
    }
}

pub(crate) fn describe() -> Operation {
    Operation::new("List an agent's samples, oldest first")
        .query(days)
        .answers::<Vec<Shown>>(200)
        .refuses(&[404])
}

pub(crate) async fn list(caller: Caller<ReadAgents>, request: Request) -> Answer {
    let days = days(&request.query()?)?;
    let id = request.parameter("id").to_owned();
    let samples = fleet::list_samples(caller.actor(), id, days).await?;
    let samples = samples.ok_or_else(|| Problem::not_found("Agent not found"))?;
    let shown: Vec<Shown> = samples.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &shown)
}

fn days(query: &Query) -> Result<u32, Problem> {
    // Given twice it is wrong in another way.
    query.one("days")?;
    let days = query.whole("days", 1, 30);
    let days = days.map_err(|_| Problem::bad_request("days must be between 1 and 30"))?;
    Ok(days.unwrap_or(7))
}

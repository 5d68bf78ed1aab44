//! `GET /api/agent/admin/schedules/{id}/preview?n=`: the next runs, as ticks will make them.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Query, Request, Response, StatusCode, contract::Timestamp, openapi::Operation,
};

use super::shown::Times;
use crate::{
    bindings::myrmidon::domain::schedules::{self, AgentRun, PreviewRun},
    caller::Caller,
    faults::schedules::not_found,
    permission::ReadSchedules,
};

#[derive(JsonSchema, Serialize)]
struct Preview {
    runs: Vec<Run>,
    /// Machines whose own times are left out.
    more_agents: u32,
}

#[derive(JsonSchema, Serialize)]
struct Run {
    at: Timestamp,
    local: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agents: Option<Times>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped_agents: Vec<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Show the next runs of a schedule")
        .query(wanted)
        .answers::<Preview>(200)
        .refuses(&[404])
}

fn wanted(query: &Query) -> Result<u32, Problem> {
    Ok(query.whole("n", 1, 100)?.unwrap_or(10))
}

pub(crate) async fn preview(caller: Caller<ReadSchedules>, request: Request) -> Answer {
    let n = wanted(&request.query()?)?;
    let id = request.parameter("id").to_owned();
    let found = schedules::preview_schedule(caller.actor(), id, n).await?.ok_or_else(not_found)?;
    let runs = found.runs.into_iter().map(Run::from).collect();
    Response::data(StatusCode::OK, &Preview { runs, more_agents: found.more_agents })
}

impl From<PreviewRun> for Run {
    fn from(it: PreviewRun) -> Self {
        let time = |it: &AgentRun| (it.agent_id.clone(), it.at);
        let agents = (!it.agents.is_empty()).then(|| Times(it.agents.iter().map(time).collect()));
        let covered = it.agents.iter().filter(|it| it.blackout);
        Self {
            at: it.at,
            local: it.local,
            skipped: it.blackout.then_some("blackout"),
            skipped_agents: covered.map(|it| it.agent_id.clone()).collect(),
            agents,
        }
    }
}

//! `GET /api/agent/admin/metrics` (fleet.md §4.11, §6.8).

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::{
    bindings::myrmidon::domain::fleet::{self, Metrics, Tally},
    caller::Caller,
    permission::ReadAgents,
};

#[derive(JsonSchema, Serialize)]
struct Shown {
    total: u64,
    online: u64,
    offline: u64,
    by_os: Map<String, Value>,
    by_status: Map<String, Value>,
    pending_tasks: u64,
    task_activity_24h: Activity,
    by_version: Map<String, Value>,
}

#[derive(JsonSchema, Serialize)]
struct Activity {
    completed: u64,
    failed: u64,
    total: u64,
    /// Whole percent, 0 when nothing ended.
    success_rate: u64,
    in_progress: u64,
}

impl From<Metrics> for Shown {
    fn from(it: Metrics) -> Self {
        let ended = it.completed.saturating_add(it.failed);
        let rounded = it.completed.saturating_mul(200).saturating_add(ended);
        Self {
            total: it.total,
            online: it.online,
            offline: it.total.saturating_sub(it.online),
            by_os: map(it.by_os),
            by_status: map(it.by_status),
            pending_tasks: it.pending_tasks,
            task_activity_24h: Activity {
                completed: it.completed,
                failed: it.failed,
                total: ended,
                success_rate: rounded.checked_div(ended.saturating_mul(2)).unwrap_or_default(),
                in_progress: it.in_progress,
            },
            by_version: map(it.by_version),
        }
    }
}

fn map(tallies: Vec<Tally>) -> Map<String, Value> {
    tallies.into_iter().map(|it| (it.name, it.agents.into())).collect()
}

pub(crate) fn describe() -> Operation {
    Operation::new("Count agents and their work").answers::<Shown>(200)
}

pub(crate) async fn show(caller: Caller<ReadAgents>, _: Request) -> Answer {
    Response::data(StatusCode::OK, &Shown::from(fleet::read_metrics(caller.actor()).await?))
}

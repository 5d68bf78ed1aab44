//! The sweeps: what the passing of time does to tasks and agents, each minute.
//!
//! Takes no input. Each sweep is idempotent and bounded, so running twice at once does no harm
//! and what is left over is done by the next run.

use std::{future::Future, sync::LazyLock};

use schemars::JsonSchema;
use serde::Serialize;
use spin_sdk::{
    http::Request as Received,
    http_service,
    wasip3::http::types::{ErrorCode, Response as Sent},
};
use web::{
    Answer, Request, Response, Routes, StatusCode, contract::Fault, cron::Scheduler, edge,
    openapi::Operation,
};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "cron-maintenance",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

use bindings::myrmidon::domain::{agent_sweeps, approval_sweeps, audit_sweeps, task_sweeps};

/// Rows that one statement touches, and statements that one run makes of each kind.
const BATCH: u32 = 500;
const MOST_BATCHES: u32 = 20;

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default().get("/api/cron/maintenance", maintain).described(describe)
}

#[derive(JsonSchema, Serialize)]
struct Done {
    expired: u32,
    stale: u32,
    overdue: u32,
    offline: u32,
    pruned: u32,
    sealed: u32,
    undecided: u32,
    judged: u32,
    /// Whether a sweep stopped at its bound.
    remaining: bool,
}

fn describe() -> Operation {
    Operation::new("Do to tasks and agents what the passing of time does").answers::<Done>(200)
}

async fn maintain(_: Scheduler, _: Request) -> Answer {
    let mut remaining = false;
    let done = Done {
        expired: sweep(task_sweeps::expire, &mut remaining).await?,
        stale: sweep(task_sweeps::fail_stale, &mut remaining).await?,
        overdue: sweep(task_sweeps::fail_overdue, &mut remaining).await?,
        offline: sweep(agent_sweeps::detect_offline, &mut remaining).await?,
        pruned: sweep(agent_sweeps::prune_history, &mut remaining).await?,
        sealed: sweep(audit_sweeps::seal, &mut remaining).await?,
        undecided: sweep(approval_sweeps::expire_approvals, &mut remaining).await?,
        judged: agent_sweeps::judge_fleet().await?,
        remaining,
    };
    Response::data(StatusCode::OK, &done)
}

/// Repeats a sweep until it finds less than a batch.
async fn sweep<R>(batch: impl Fn(u32) -> R, remaining: &mut bool) -> Result<u32, Fault>
where
    R: Future<Output = Result<u32, Fault>>,
{
    let mut total = 0_u32;
    for _ in 0..MOST_BATCHES {
        let found = batch(BATCH).await?;
        total = total.saturating_add(found);
        if found < BATCH {
            return Ok(total);
        }
    }
    *remaining = true;
    Ok(total)
}

#[http_service]
async fn handle(received: Received) -> Result<Sent, ErrorCode> {
    edge::serve(&ROUTES, received).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-maintenance", &super::routes());
    }
}

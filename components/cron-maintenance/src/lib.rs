//! The sweeps: what the passing of time does to tasks and agents, each minute.
//!
//! Takes no input. Each sweep is idempotent and bounded, so running twice at once does no harm
//! and what is left over is done by the next run. What one sweep fails at does not keep the others.

use std::{future::Future, sync::LazyLock};

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, Routes, StatusCode,
    contract::Fault,
    cron::{Run, Scheduler},
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

/// Rows that one statement touches, and statements that one run makes of each kind: 100,000 agents make
/// 20,000 samples a minute, and a run comes each minute.
const BATCH: u32 = 500;
const MOST_BATCHES: u32 = 80;

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
    let (mut run, mut remaining) = (Run::begin(), false);
    let done = Done {
        expired: sweep(task_sweeps::expire, &mut run, &mut remaining).await,
        stale: sweep(task_sweeps::fail_stale, &mut run, &mut remaining).await,
        overdue: sweep(task_sweeps::fail_overdue, &mut run, &mut remaining).await,
        offline: sweep(agent_sweeps::detect_offline, &mut run, &mut remaining).await,
        pruned: sweep(agent_sweeps::prune_history, &mut run, &mut remaining).await,
        sealed: sweep(audit_sweeps::seal, &mut run, &mut remaining).await,
        undecided: sweep(approval_sweeps::expire_approvals, &mut run, &mut remaining).await,
        judged: judge(&mut run).await,
        remaining,
    };
    run.end()?;
    Response::data(StatusCode::OK, &done)
}

/// Repeats a sweep until it finds less than a batch, or fails.
async fn sweep<R>(batch: impl Fn(u32) -> R, run: &mut Run, remaining: &mut bool) -> u32
where
    R: Future<Output = Result<u32, Fault>>,
{
    let mut total = 0_u32;
    for _ in 0..MOST_BATCHES {
        if run.is_over() {
            break;
        }
        match batch(BATCH).await {
            Ok(found) => {
                total = total.saturating_add(found);
                if found < BATCH {
                    return total;
                }
            }
            Err(fault) => {
                run.note(fault);
                return total;
            }
        }
    }
    *remaining = true;
    total
}

async fn judge(run: &mut Run) -> u32 {
    if run.is_over() {
        return 0;
    }
    agent_sweeps::judge_fleet().await.unwrap_or_else(|fault| {
        run.note(fault);
        0
    })
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-maintenance", &super::routes());
    }
}

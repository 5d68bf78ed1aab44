//! The sweeps: what the passing of time does to tasks and agents, each minute.
//!
//! Takes no input. Each sweep is idempotent and bounded, so running twice at once does no harm
//! and what is left over is done by the next run. What one sweep fails at, or has too much of, does not
//! keep the others: each has its turn until nothing is left or the time is up.

use std::sync::LazyLock;

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

/// Rows that one statement touches, and turns that one run takes: 100,000 agents make 20,000 samples a
/// minute, and a run comes each minute.
const BATCH: u32 = 500;
const MOST_TURNS: u32 = 80;

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default().get("/api/cron/maintenance", maintain).described(describe)
}

#[derive(Default, JsonSchema, Serialize)]
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
    let mut run = Run::begin();
    let mut done = Done { judged: judge(&mut run).await, ..Done::default() };
    sweep_in_turns(&mut run, &mut done).await;
    run.end()?;
    Response::data(StatusCode::OK, &done)
}

#[derive(Debug, Clone, Copy)]
enum Sweep {
    Expired,
    Stale,
    Overdue,
    Offline,
    Pruned,
    Sealed,
    Undecided,
}

impl Sweep {
    const ALL: [Self; 7] = [
        Self::Expired,
        Self::Stale,
        Self::Overdue,
        Self::Offline,
        Self::Pruned,
        Self::Sealed,
        Self::Undecided,
    ];

    /// How many rows it found.
    async fn take_turn(self) -> Result<u32, Fault> {
        match self {
            Self::Expired => task_sweeps::expire(BATCH).await,
            Self::Stale => task_sweeps::fail_stale(BATCH).await,
            Self::Overdue => task_sweeps::fail_overdue(BATCH).await,
            Self::Offline => agent_sweeps::detect_offline(BATCH).await,
            Self::Pruned => agent_sweeps::prune_history(BATCH).await,
            Self::Sealed => audit_sweeps::seal(BATCH).await,
            Self::Undecided => approval_sweeps::expire_approvals(BATCH).await,
        }
    }

    fn total(self, done: &mut Done) -> &mut u32 {
        match self {
            Self::Expired => &mut done.expired,
            Self::Stale => &mut done.stale,
            Self::Overdue => &mut done.overdue,
            Self::Offline => &mut done.offline,
            Self::Pruned => &mut done.pruned,
            Self::Sealed => &mut done.sealed,
            Self::Undecided => &mut done.undecided,
        }
    }
}

/// A batch of each in turn. Whoever fails, or finds less than a batch, has no further turn.
async fn sweep_in_turns(run: &mut Run, done: &mut Done) {
    let mut left = Sweep::ALL.to_vec();
    for _ in 0..MOST_TURNS {
        for sweep in std::mem::take(&mut left) {
            if run.is_over() {
                done.remaining = true;
                return;
            }
            match sweep.take_turn().await {
                Ok(found) => {
                    let total = sweep.total(done);
                    *total = total.saturating_add(found);
                    if found >= BATCH {
                        left.push(sweep);
                    }
                }
                Err(fault) => run.note(fault),
            }
        }
    }
    done.remaining = !left.is_empty();
}

/// A single statement, which needs no turns.
async fn judge(run: &mut Run) -> u32 {
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

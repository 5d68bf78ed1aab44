//! Housekeeping: what is past its retention goes, once a day.
//!
//! Takes no input. Bounded in rows and in time: what is left over is done by the next run, and running
//! twice at once does no harm. What one kind fails at, or has too much of, does not keep the others: each
//! has its turn until nothing is left or the time is up, and blobs have a share of it for themselves.

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, Routes, StatusCode,
    contract::Fault,
    cron::{Run, Scheduler},
    log,
    openapi::Operation,
};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "cron-cleanup",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

use bindings::myrmidon::domain::housekeeping::{self, Kind};

/// Rows that one statement touches.
const BATCH: u32 = 1000;
/// What blobs have at least, though a batch of rows that took long lets the run last longer then.
const SECONDS_FOR_BLOBS: u32 = 5;

/// By the names of their tables. Samples come before the averages that they become.
const KINDS: [(&str, Kind); 12] = [
    ("enrollment_tokens", Kind::EnrollmentTokens),
    ("heartbeat_history", Kind::HeartbeatHistory),
    ("heartbeat_hourly", Kind::HeartbeatHourly),
    ("agent_events", Kind::AgentEvents),
    ("rate_limits", Kind::RateLimits),
    ("rotated_refresh_tokens", Kind::RotatedRefreshTokens),
    ("sessions", Kind::Sessions),
    ("device_logins", Kind::DeviceLogins),
    ("agent_days", Kind::AgentDays),
    ("fleet_days", Kind::FleetDays),
    ("invitations", Kind::Invitations),
    ("approvals", Kind::Approvals),
];

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default().get("/api/cron/cleanup", clean_up).described(describe)
}

#[derive(Default, JsonSchema, Serialize)]
struct Done {
    /// Rows by table; `blobs` are files and unfinished uploads that nothing refers to.
    deleted: BTreeMap<&'static str, u32>,
    /// Whether the time was up, or a bound reached, before everything was done.
    remaining: bool,
}

fn describe() -> Operation {
    Operation::new("Remove what is past its retention").answers::<Done>(200)
}

async fn clean_up(_: Scheduler, request: Request) -> Answer {
    let mut run = Run::begin();
    let mut done = Done::default();
    delete_in_turns(&mut run, &mut done).await;
    if let Err(fault) = sweep_blobs(&run, &mut done).await {
        run.note(fault);
    }
    log::outcome("housekeeping", &done, &request);
    run.end()?;
    Response::data(StatusCode::OK, &done)
}

/// A batch of each kind in turn, until nothing is left of any.
async fn delete_in_turns(run: &mut Run, done: &mut Done) {
    let mut left = KINDS.to_vec();
    done.deleted = left.iter().map(|(table, _)| (*table, 0)).collect();
    while !left.is_empty() {
        let turn = std::mem::take(&mut left);
        for (table, kind) in turn {
            if run.seconds_left() < SECONDS_FOR_BLOBS {
                done.remaining = true;
                return;
            }
            match housekeeping::delete_ended(kind, BATCH).await {
                Ok(deleted) => {
                    let total = done.deleted.entry(table).or_default();
                    *total = total.saturating_add(deleted);
                    if deleted == BATCH || waits(kind, &left) {
                        left.push((table, kind));
                    }
                }
                Err(fault) => run.note(fault),
            }
        }
    }
}

/// Sessions cannot go before their refresh tokens, whose turn is before theirs.
fn waits(kind: Kind, left: &[(&str, Kind)]) -> bool {
    kind == Kind::Sessions && left.iter().any(|(_, it)| *it == Kind::RotatedRefreshTokens)
}

async fn sweep_blobs(run: &Run, done: &mut Done) -> Result<(), Fault> {
    let seconds = run.seconds_left().max(SECONDS_FOR_BLOBS);
    let swept = housekeeping::sweep_blobs(seconds).await?;
    done.deleted.insert("blobs", swept.deleted);
    done.remaining |= swept.remaining;
    Ok(())
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-cleanup", &super::routes());
    }
}

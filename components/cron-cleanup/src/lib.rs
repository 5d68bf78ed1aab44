//! Housekeeping: what is past its retention goes, once a day.
//!
//! Takes no input. Bounded in rows and in time: what is left over is done by the next run, and running
//! twice at once does no harm. What one kind fails at does not keep the others.

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

/// By the names of their tables. Samples come before the averages that they become.
const KINDS: [(&str, Kind); 11] = [
    ("enrollment_tokens", Kind::EnrollmentTokens),
    ("heartbeat_history", Kind::HeartbeatHistory),
    ("heartbeat_hourly", Kind::HeartbeatHourly),
    ("agent_events", Kind::AgentEvents),
    ("rate_limits", Kind::RateLimits),
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
    for (table, kind) in KINDS {
        if let Err(fault) = delete(table, kind, &run, &mut done).await {
            run.note(fault);
        }
    }
    if let Err(fault) = sweep_blobs(&run, &mut done).await {
        run.note(fault);
    }
    log::outcome("housekeeping", &done, &request);
    run.end()?;
    Response::data(StatusCode::OK, &done)
}

/// Deletes batch after batch until one is not full.
async fn delete(table: &'static str, kind: Kind, run: &Run, done: &mut Done) -> Result<(), Fault> {
    let deleted = done.deleted.entry(table).or_default();
    loop {
        if run.is_over() {
            done.remaining = true;
            return Ok(());
        }
        let batch = housekeeping::delete_ended(kind, BATCH).await?;
        *deleted = deleted.saturating_add(batch);
        if batch < BATCH {
            return Ok(());
        }
    }
}

async fn sweep_blobs(run: &Run, done: &mut Done) -> Result<(), Fault> {
    let swept = housekeeping::sweep_blobs(run.seconds_left()).await?;
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

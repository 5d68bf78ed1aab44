//! Housekeeping: what is past its retention goes, once a day.
//!
//! Takes no input. Bounded in rows and in time: what is left over is done by the next run, and running
//! twice at once does no harm.

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::Serialize;
use spin_sdk::{
    http::Request as Received,
    http_service,
    wasip3::http::types::{ErrorCode, Response as Sent},
};
use web::{
    Answer, Request, Response, Routes, StatusCode, cron::Scheduler, edge, openapi::Operation,
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

/// Rows that one statement touches, and how long one run goes on.
const BATCH: u32 = 1000;
const LONGEST: Duration = Duration::from_secs(20);

/// By the names of their tables. Samples come before the averages that they become.
const KINDS: [(&str, Kind); 7] = [
    ("enrollment_tokens", Kind::EnrollmentTokens),
    ("heartbeat_history", Kind::HeartbeatHistory),
    ("heartbeat_hourly", Kind::HeartbeatHourly),
    ("agent_events", Kind::AgentEvents),
    ("rate_limits", Kind::RateLimits),
    ("sessions", Kind::Sessions),
    ("device_logins", Kind::DeviceLogins),
];

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default().get("/api/cron/cleanup", clean_up).described(describe)
}

#[derive(JsonSchema, Serialize)]
struct Done {
    /// Rows by table.
    deleted: BTreeMap<&'static str, u32>,
    /// Whether the time was up before everything was done.
    remaining: bool,
}

fn describe() -> Operation {
    Operation::new("Remove what is past its retention").answers::<Done>(200)
}

async fn clean_up(_: Scheduler, _: Request) -> Answer {
    let end = Instant::now() + LONGEST;
    let mut done = Done { deleted: BTreeMap::new(), remaining: false };
    for (table, kind) in KINDS {
        let mut deleted = 0_u32;
        loop {
            if Instant::now() >= end {
                done.remaining = true;
                break;
            }
            let batch = housekeeping::delete_ended(kind, BATCH).await?;
            deleted = deleted.saturating_add(batch);
            if batch < BATCH {
                break;
            }
        }
        done.deleted.insert(table, deleted);
    }
    Response::data(StatusCode::OK, &done)
}

#[http_service]
async fn handle(received: Received) -> Result<Sent, ErrorCode> {
    edge::serve(&ROUTES, received).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-cleanup", &super::routes());
    }
}

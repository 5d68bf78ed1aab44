//! Ingestion: what came of tests becomes rows, every five minutes, as far as it did not at once.
//!
//! Takes no input. Tasks are claimed one at a time, so running twice at once does no harm and
//! what is left over, when the time is up, is done by the next run.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, Routes, StatusCode,
    cron::{Run, Scheduler},
    openapi::Operation,
};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "cron-ingestion",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

use bindings::myrmidon::domain::ingestion;

/// Tasks of one batch, and batches that one run makes.
const BATCH: u32 = 50;
const MOST_BATCHES: u32 = 40;

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

/// The second path is the one that other schedulers know.
fn routes() -> Routes {
    Routes::default()
        .get("/api/cron/ingestion", ingest)
        .described(describe)
        .get("/api/cron/retry-ingestion", ingest)
        .described(describe)
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    attempted: u32,
    succeeded: u32,
    failed: u32,
    permanently_failed: u64,
}

fn describe() -> Operation {
    Operation::new("Store results that are due").answers::<Report>(200)
}

async fn ingest(_: Scheduler, _: Request) -> Answer {
    let (run, mut report) = (Run::begin(), Report::default());
    for _ in 0..MOST_BATCHES {
        let tally = ingestion::run(BATCH, run.seconds_left()).await?;
        report.attempted += tally.attempted;
        report.succeeded += tally.succeeded;
        report.failed += tally.failed;
        report.permanently_failed = tally.given_up;
        if tally.attempted < BATCH || run.is_over() {
            break;
        }
    }
    Response::data(StatusCode::OK, &report)
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-ingestion", &super::routes());
    }
}

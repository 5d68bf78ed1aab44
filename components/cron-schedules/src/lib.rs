//! Runs of schedules: what is due is run, each minute.
//!
//! Takes no input. Two at once run everything once; what is left over is run by the next.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, Routes, StatusCode, cron::Scheduler, openapi::Operation};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "cron-schedules",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

use bindings::myrmidon::domain::schedule_ticks;

/// Schedules that one run looks at.
const MOST: u32 = 1000;

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default().get("/api/cron/schedules", tick).described(describe)
}

#[derive(JsonSchema, Serialize)]
struct Done {
    success: bool,
    message: &'static str,
    data: Counts,
}

#[derive(JsonSchema, Serialize)]
struct Counts {
    processed: u32,
    tasks_created: u32,
    skipped: u32,
    missed: u32,
    failed: u32,
    /// Whether the run stopped at its bound.
    remaining: bool,
}

fn describe() -> Operation {
    Operation::new("Run schedules that are due").answers_plainly::<Done>(200)
}

async fn tick(_: Scheduler, _: Request) -> Answer {
    let it = schedule_ticks::tick(MOST).await?;
    let data = Counts {
        processed: it.processed,
        tasks_created: it.tasks_created,
        skipped: it.skipped,
        missed: it.missed,
        failed: it.failed,
        remaining: it.remaining,
    };
    Response::json(StatusCode::OK, &Done { success: true, message: "Schedules processed", data })
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-schedules", &super::routes());
    }
}

//! Automatic rotation: each hour, new keys for the agents with the oldest ones (fleet.md §7.3).
//!
//! Takes no input. A rotation that waits is never started again, so running twice at once does no harm.

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
        world: "cron-auto-rotation",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

use bindings::myrmidon::domain::rotation_sweeps;

/// Agents of one organisation that one run takes: 100,000 of them get new keys within nine days.
const PER_ORGANIZATION: u32 = 500;

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default().get("/api/cron/auto-rotation", rotate).described(describe)
}

#[derive(JsonSchema, Serialize)]
struct Done {
    success: bool,
    message: &'static str,
    data: Counts,
}

#[derive(JsonSchema, Serialize)]
struct Counts {
    /// Those that had agents due.
    organizations: u32,
    rotated: u32,
    /// Whether a bound was reached.
    remaining: bool,
}

fn describe() -> Operation {
    Operation::new("Rotate the keys that grew old").answers_plainly::<Done>(200)
}

async fn rotate(_: Scheduler, _: Request) -> Answer {
    let swept = rotation_sweeps::rotate_due(PER_ORGANIZATION, Run::begin().seconds_left()).await?;
    let data = Counts {
        organizations: swept.organizations,
        rotated: swept.rotated,
        remaining: swept.remaining,
    };
    let done = Done { success: true, message: "Auto-rotation processed", data };
    Response::json(StatusCode::OK, &done)
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("cron-auto-rotation", &super::routes());
    }
}

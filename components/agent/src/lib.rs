//! The device tier: what agents do. Report, take work, return results, fetch binaries.
//!
//! It cannot name what operators may do: its world does not import it.

mod caller;
mod faults;
mod routes;

use std::sync::LazyLock;

use web::{Request, Response, Routes, relocate};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "agent",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

/// Paths of other tiers below ours. The host routes by exact spelling, so other spellings come here.
const ELSEWHERE: &[&str] =
    &["/api/agent/admin", "/api/agent/enroll", "/api/agent/config", "/api/agent/download"];

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default()
        .get("/api/agent/tasks", routes::tasks::next::next)
        .described(routes::tasks::next::describe)
        .post("/api/agent/heartbeat", routes::heartbeat::record::record)
        .described(routes::heartbeat::record::describe)
        .patch("/api/agent/tasks/{id}/status", routes::tasks::report_status::report)
        .described(routes::tasks::report_status::describe)
        .post("/api/agent/tasks/{id}/result", routes::tasks::report_result::report)
        .described(routes::tasks::report_result::describe)
        .get("/api/agent/version", routes::version::check)
        .described(routes::version::describe)
        .get("/api/agent/update", routes::update::fetch)
        .described(routes::update::describe)
        .get("/api/agent/binary/{name}", routes::binary::fetch)
        .described(routes::binary::describe)
        .otherwise(elsewhere)
}

fn elsewhere(request: &Request) -> Option<Response> {
    relocate::to_canonical(request, ELSEWHERE)
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_demands_a_device() {
        assert!(routes().table().all(|it| it.closed && it.pattern.starts_with("/api/agent/")));
    }

    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("agent", &routes());
    }
}

//! The public tier: what strangers may do. Enroll with a token, fetch the agent, see that we live.
//!
//! Everything that no other component answers ends here, too.

mod faults;
mod routes;

use std::sync::LazyLock;

use web::{Request, Response, Routes, relocate};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "public",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

/// Where the other tiers live. The host routes by exact spelling, so other spellings come here.
const ELSEWHERE: &[&str] = &[
    "/api/agent/admin",
    "/api/agent",
    "/api/tests",
    "/api/audit",
    "/api/cron",
    "/api/users",
    "/api/api-keys",
    "/api/auth",
    "/api/cli/auth",
];

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default()
        .post("/api/agent/enroll", routes::enroll::enroll)
        .described(routes::enroll::describe)
        .get("/api/agent/config", routes::config::show)
        .described(routes::config::describe)
        .get("/api/agent/download", routes::download::fetch)
        .described(routes::download::describe)
        .get("/api/health", routes::health::show)
        .described(routes::health::describe)
        .get("/api/health/ready", routes::readiness::show)
        .described(routes::readiness::describe)
        .get("/api/capabilities", routes::capabilities::show)
        .described(routes::capabilities::describe)
        .get("/api/openapi.json", routes::openapi::show)
        .described(routes::openapi::describe)
        .otherwise(elsewhere)
}

fn elsewhere(request: &Request) -> Option<Response> {
    relocate::to_canonical(request, ELSEWHERE)
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes that serve strangers. This list may only shrink.
    const OPEN: &[&str] = &[
        "/api/agent/enroll",
        "/api/agent/config",
        "/api/agent/download",
        "/api/health",
        "/api/health/ready",
        "/api/capabilities",
        "/api/openapi.json",
    ];

    #[test]
    fn strangers_are_served_nothing_else() {
        assert!(routes().table().all(|it| it.closed || OPEN.contains(&it.pattern)));
    }

    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("public", &routes());
    }
}

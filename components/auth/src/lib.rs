//! Signing in and out: people with a password, and devices that a person approves.
//!
//! Most callers here are nobody yet; the domain counts them by their address.

mod caller;
mod faults;
mod routes;

use std::sync::LazyLock;

use web::Routes;

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "auth",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    Routes::default()
        .post("/api/auth/login", routes::login::sign_in)
        .described(routes::login::describe)
        .post("/api/auth/refresh", routes::refresh::refresh)
        .described(routes::refresh::describe)
        .post("/api/auth/logout", routes::logout::sign_out)
        .described(routes::logout::describe)
        .post("/api/auth/password", routes::password::change)
        .described(routes::password::describe)
        .post("/api/auth/accept-invitation", routes::accept_invitation::accept)
        .described(routes::accept_invitation::describe)
        .post("/api/cli/auth/device-code", routes::device::start::start)
        .described(routes::device::start::describe)
        .post("/api/cli/auth/verify", routes::device::approve::approve)
        .described(routes::device::approve::describe)
        .post("/api/cli/auth/poll", routes::device::poll::poll)
        .described(routes::device::poll::describe)
        .post("/api/cli/auth/refresh", routes::device::refresh::refresh)
        .described(routes::device::refresh::describe)
        .post("/api/cli/auth/logout", routes::device::logout::sign_out)
        .described(routes::device::logout::describe)
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes that demand nobody. This list may only shrink.
    const OPEN: &[&str] = &[
        "/api/auth/login",
        "/api/auth/refresh",
        "/api/auth/logout",
        "/api/auth/accept-invitation",
        "/api/cli/auth/device-code",
        "/api/cli/auth/poll",
        "/api/cli/auth/refresh",
        "/api/cli/auth/logout",
    ];

    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("auth", &routes());
    }

    #[test]
    fn strangers_are_served_nothing_else() {
        assert!(routes().table().all(|it| it.closed || OPEN.contains(&it.pattern)));
    }
}

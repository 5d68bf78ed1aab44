//! The user tier: what people do to the fleet. Tokens, agents, tasks, agent versions, test builds.
//!
//! Every route names the permission it needs in its handler's type; see `caller`.

mod caller;
mod faults;
mod permission;
mod routes;

use std::sync::LazyLock;

use web::Routes;

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../wit",
        world: "admin",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
        with: { "myrmidon:domain/types@0.1.0": web::contract::myrmidon::domain::types },
    });
}

static ROUTES: LazyLock<Routes> = LazyLock::new(routes);

fn routes() -> Routes {
    let routes = Routes::default();
    let routes = routes::tokens::add(routes);
    let routes = routes::agents::add(routes);
    let routes = routes::metrics::add(routes);
    let routes = routes::settings::add(routes);
    let routes = routes::tasks::add(routes);
    let routes = routes::ingestion::add(routes);
    let routes = routes::schedules::add(routes);
    let routes = routes::approvals::add(routes);
    let routes = routes::demands::add(routes);
    let routes = routes::versions::add(routes);
    let routes = routes::catalog::add(routes);
    let routes = routes::audit::add(routes);
    let routes = routes::builds::add(routes);
    let routes = routes::users::add(routes);
    routes::api_keys::add(routes)
}

web::export!(ROUTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_demands_a_person() {
        let ours =
            ["/api/agent/admin/", "/api/tests/", "/api/audit", "/api/users", "/api/api-keys"];
        assert!(
            routes()
                .table()
                .all(|it| it.closed && ours.iter().any(|below| it.pattern.starts_with(below)))
        );
    }

    #[test]
    fn the_document_is_current() {
        web::openapi::assert_current("admin", &routes());
    }
}

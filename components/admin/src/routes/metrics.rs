//! `/api/agent/admin/metrics`: a fleet in figures.

mod health;
mod show;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/agent/admin/metrics", show::show)
        .described(show::describe)
        .get("/api/agent/admin/metrics/fleet-health", health::show)
        .described(health::describe)
}

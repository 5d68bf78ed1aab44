//! `/api/agent/admin/settings`: what an organisation decided about its fleet.

mod auto_rotation;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/agent/admin/settings/auto-rotation", auto_rotation::show)
        .described(auto_rotation::describe)
        .put("/api/agent/admin/settings/auto-rotation", auto_rotation::update)
        .described(auto_rotation::describe_update)
}

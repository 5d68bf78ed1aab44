//! `/api/agent/admin/tokens`: what lets machines enroll.

mod create;
mod list;
mod revoke;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/agent/admin/tokens", create::create)
        .described(create::describe)
        .get("/api/agent/admin/tokens", list::list)
        .described(list::describe)
        .delete("/api/agent/admin/tokens/{id}", revoke::revoke)
        .described(revoke::describe)
}

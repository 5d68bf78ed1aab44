//! `/api/agent/admin/approvals`: what waits for a second person.

mod approve;
mod deny;
mod list;
mod shape;
mod show;

use web::Routes;

pub(crate) use shape::Shown;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/agent/admin/approvals", list::list)
        .described(list::describe)
        .get("/api/agent/admin/approvals/{id}", show::show)
        .described(show::describe)
        .post("/api/agent/admin/approvals/{id}/approve", approve::approve)
        .described(approve::describe)
        .post("/api/agent/admin/approvals/{id}/deny", deny::deny)
        .described(deny::describe)
}

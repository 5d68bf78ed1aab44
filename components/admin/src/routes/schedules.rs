//! `/api/agent/admin/schedules`: tests that run again by themselves.

mod body;
mod change;
mod create;
mod list;
mod preview;
mod remove;
mod show;
mod shown;
mod timing;
mod words;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/agent/admin/schedules", create::create)
        .described(create::describe)
        .get("/api/agent/admin/schedules", list::list)
        .described(list::describe)
        .get("/api/agent/admin/schedules/{id}", show::show)
        .described(show::describe)
        .patch("/api/agent/admin/schedules/{id}", change::change)
        .described(change::describe)
        .delete("/api/agent/admin/schedules/{id}", remove::remove)
        .described(remove::describe)
        .get("/api/agent/admin/schedules/{id}/preview", preview::preview)
        .described(preview::describe)
}

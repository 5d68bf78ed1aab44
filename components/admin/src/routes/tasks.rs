//! `/api/agent/admin/tasks`: work for the fleet.

mod annotate;
mod batch;
mod bulk;
mod cancel;
mod command;
pub(crate) mod created;
mod filter;
mod grouped;
mod list;
pub(crate) mod metadata;
mod remove;
mod show;
mod test;
mod uninstall;
mod update;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/agent/admin/tasks", test::create)
        .described(test::describe)
        .get("/api/agent/admin/tasks", list::list)
        .described(list::describe)
        .post("/api/agent/admin/tasks/command", command::create)
        .described(command::describe)
        .post("/api/agent/admin/tasks/update", update::create)
        .described(update::describe)
        .post("/api/agent/admin/tasks/uninstall", uninstall::create)
        .described(uninstall::describe)
        .post("/api/agent/admin/tasks/bulk", bulk::change)
        .described(bulk::describe)
        .get("/api/agent/admin/tasks/grouped", grouped::list)
        .described(grouped::describe)
        .get("/api/agent/admin/tasks/batches/{batch_id}", batch::show)
        .described(batch::describe)
        .get("/api/agent/admin/tasks/{id}", show::show)
        .described(show::describe)
        .delete("/api/agent/admin/tasks/{id}", remove::remove)
        .described(remove::describe)
        .patch("/api/agent/admin/tasks/{id}/notes", annotate::annotate)
        .described(annotate::describe)
        .post("/api/agent/admin/tasks/{id}/cancel", cancel::cancel)
        .described(cancel::describe)
}

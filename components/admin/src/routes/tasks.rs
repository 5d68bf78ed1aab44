//! `/api/agent/admin/tasks`: work for the fleet.

mod cancel;
mod command;
mod created;
mod list;
pub(crate) mod metadata;
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
        .get("/api/agent/admin/tasks/{id}", show::show)
        .described(show::describe)
        .post("/api/agent/admin/tasks/{id}/cancel", cancel::cancel)
        .described(cancel::describe)
}

//! `/api/agent/admin/tasks`: work for the fleet.

mod cancel;
mod command;
mod created;
mod list;
mod metadata;
mod show;
mod test;
mod uninstall;
mod update;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/agent/admin/tasks", test::create)
        .get("/api/agent/admin/tasks", list::list)
        .post("/api/agent/admin/tasks/command", command::create)
        .post("/api/agent/admin/tasks/update", update::create)
        .post("/api/agent/admin/tasks/uninstall", uninstall::create)
        .get("/api/agent/admin/tasks/{id}", show::show)
        .post("/api/agent/admin/tasks/{id}/cancel", cancel::cancel)
}

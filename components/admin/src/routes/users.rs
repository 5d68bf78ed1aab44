//! `/api/users`: the accounts of an organisation, and its invitations (console.md §2.8).

mod activate;
mod assign_role;
mod create;
mod invitations;
mod list;
mod remove;
mod shown;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/users", list::list)
        .post("/api/users", create::create)
        .post("/api/users/invite", invitations::create::create)
        .get("/api/users/invitations", invitations::list::list)
        .post("/api/users/invitations/{id}/revoke", invitations::revoke::revoke)
        .put("/api/users/{id}/role", assign_role::assign)
        .delete("/api/users/{id}/role", assign_role::withdraw)
        .put("/api/users/{id}/status", activate::activate)
        .delete("/api/users/{id}", remove::remove)
}

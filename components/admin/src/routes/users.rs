//! `/api/users`: the accounts of an organisation, and its invitations (console.md §2.8).

mod activate;
mod assign_role;
mod create;
mod end_sessions;
mod invitations;
mod list;
mod remove;
mod shown;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/users", list::list)
        .described(list::describe)
        .post("/api/users", create::create)
        .described(create::describe)
        .post("/api/users/invite", invitations::create::create)
        .described(invitations::create::describe)
        .get("/api/users/invitations", invitations::list::list)
        .described(invitations::list::describe)
        .post("/api/users/invitations/{id}/revoke", invitations::revoke::revoke)
        .described(invitations::revoke::describe)
        .put("/api/users/{id}/role", assign_role::assign)
        .described(assign_role::describe_assign)
        .delete("/api/users/{id}/role", assign_role::withdraw)
        .described(assign_role::describe_withdraw)
        .put("/api/users/{id}/status", activate::activate)
        .described(activate::describe)
        .delete("/api/users/{id}/sessions", end_sessions::end)
        .described(end_sessions::describe)
        .delete("/api/users/{id}", remove::remove)
        .described(remove::describe)
}

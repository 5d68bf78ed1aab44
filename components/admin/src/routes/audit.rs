//! `/api/audit`: who did what, for those who manage the organisation's people.

mod export;
mod list;
mod rows;
mod verify;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/audit", list::list)
        .described(list::describe)
        .get("/api/audit/verify", verify::verify)
        .described(verify::describe)
}

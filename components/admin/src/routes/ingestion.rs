//! `/api/agent/admin/ingestion`: results that could not be stored as rows.

mod reset;
mod retry;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/agent/admin/ingestion/retry", retry::retry)
        .described(retry::describe)
        .post("/api/agent/admin/ingestion/reset", reset::reset)
        .described(reset::describe)
}

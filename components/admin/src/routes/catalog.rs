//! `/api/agent/admin/catalog`: what is known of tests.

mod reload;

use web::Routes;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.post("/api/agent/admin/catalog/reload", reload::reload).described(reload::describe)
}

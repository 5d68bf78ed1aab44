//! `/api/agent/admin/versions`: the agent's own releases.

mod build;
mod list;
mod register;
mod upload;
mod withdraw;

use web::{Problem, Routes, contract::choices::Choice};

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/agent/admin/versions", register::register)
        .get("/api/agent/admin/versions", list::list)
        .post("/api/agent/admin/versions/upload", upload::upload)
        .post("/api/agent/admin/versions/build", build::build)
        .delete("/api/agent/admin/versions/{version}/{os}/{arch}", withdraw::withdraw)
}

fn word<C: Choice>(given: &str, refusal: &'static str) -> Result<C, Problem> {
    C::from_word(given).ok_or_else(|| Problem::bad_request(refusal))
}

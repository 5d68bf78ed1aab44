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
        .described(register::describe)
        .get("/api/agent/admin/versions", list::list)
        .described(list::describe)
        .post("/api/agent/admin/versions/upload", upload::upload)
        .described(upload::describe)
        .post("/api/agent/admin/versions/build", build::build)
        .described(build::describe)
        .delete("/api/agent/admin/versions/{version}/{os}/{arch}", withdraw::withdraw)
        .described(withdraw::describe)
}

fn word<C: Choice>(given: &str, refusal: &'static str) -> Result<C, Problem> {
    C::from_word(given).ok_or_else(|| Problem::bad_request(refusal))
}

//! `/api/agent/admin/versions`: the agent's own releases.

mod build;
mod list;
mod promote;
mod register;
mod unpromote;
mod upload;
mod withdraw;

use web::{
    Problem, Request, Routes,
    contract::{Arch, Os, choices::Choice},
};

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
        .post("/api/agent/admin/versions/{version}/{os}/{arch}/promote", promote::promote)
        .described(promote::describe)
        .delete("/api/agent/admin/versions/{version}/{os}/{arch}/promote", unpromote::unpromote)
        .described(unpromote::describe)
}

/// The release that a path names.
fn named(request: &Request) -> Result<(String, Os, Arch), Problem> {
    let os = word(request.parameter("os"), "Invalid os parameter")?;
    let arch = word(request.parameter("arch"), "Invalid arch parameter")?;
    Ok((request.parameter("version").to_owned(), os, arch))
}

fn word<C: Choice>(given: &str, refusal: &'static str) -> Result<C, Problem> {
    C::from_word(given).ok_or_else(|| Problem::bad_request(refusal))
}

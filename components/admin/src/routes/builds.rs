//! `/api/tests/builds`: the binaries of tests (console.md §2.7).

mod download;
mod information;
mod remove;
mod show;
mod upload;

use web::{Problem, Request, Routes};

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/api/tests/builds/{uuid}", show::show)
        .described(show::describe)
        .delete("/api/tests/builds/{uuid}", remove::remove)
        .described(remove::describe)
        .post("/api/tests/builds/{uuid}/upload-binary", upload::upload)
        .described(upload::describe)
        .get("/api/tests/builds/{uuid}/download", download::download)
        .described(download::describe)
}

/// The path's test id, in the case in which it was given.
fn test_uuid(request: &Request) -> Result<String, Problem> {
    let text = request.parameter("uuid");
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(at, it)| match at {
            8 | 13 | 18 | 23 => it == b'-',
            _ => it.is_ascii_hexdigit(),
        });
    if fits { Ok(text.to_owned()) } else { Err(Problem::bad_request("Invalid UUID format")) }
}

//! `DELETE /api/agent/admin/versions/{version}/{os}/{arch}`.

use web::{Answer, Problem, Request, Response, openapi::Operation};

use super::word;
use crate::{bindings::myrmidon::domain::releases, caller::Caller, permission::DeleteVersions};

pub(crate) fn describe() -> Operation {
    Operation::new("Withdraw an agent binary").succeeds().refuses(&[404])
}

pub(crate) async fn withdraw(caller: Caller<DeleteVersions>, request: Request) -> Answer {
    let os = word(request.parameter("os"), "Invalid os parameter")?;
    let arch = word(request.parameter("arch"), "Invalid arch parameter")?;
    let version = request.parameter("version").to_owned();
    if releases::withdraw(caller.actor(), version, os, arch).await? {
        Ok(Response::success())
    } else {
        Err(Problem::not_found("Version not found"))
    }
}

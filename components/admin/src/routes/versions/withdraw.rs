//! `DELETE /api/agent/admin/versions/{version}/{os}/{arch}`.

use web::{Answer, Problem, Request, Response, openapi::Operation};

use super::named;
use crate::{bindings::myrmidon::domain::releases, caller::Caller, permission::DeleteVersions};

pub(crate) fn describe() -> Operation {
    Operation::new("Withdraw an agent binary").succeeds().refuses(&[404])
}

pub(crate) async fn withdraw(caller: Caller<DeleteVersions>, request: Request) -> Answer {
    let (version, os, arch) = named(&request)?;
    if releases::withdraw(caller.actor(), version, os, arch).await? {
        Ok(Response::success())
    } else {
        Err(Problem::not_found("Version not found"))
    }
}

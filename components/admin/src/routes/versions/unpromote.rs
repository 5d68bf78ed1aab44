//! `DELETE /api/agent/admin/versions/{version}/{os}/{arch}/promote`: the highest version counts again.

use web::{Answer, Problem, Request, Response, openapi::Operation};

use super::named;
use crate::{bindings::myrmidon::domain::releases, caller::Caller, permission::CreateVersions};

pub(crate) fn describe() -> Operation {
    Operation::new("Take a promotion back").succeeds().refuses(&[404])
}

pub(crate) async fn unpromote(caller: Caller<CreateVersions>, request: Request) -> Answer {
    let (version, os, arch) = named(&request)?;
    if releases::unpromote(caller.actor(), version, os, arch).await? {
        Ok(Response::success())
    } else {
        Err(Problem::not_found("Version not found"))
    }
}

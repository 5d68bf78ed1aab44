//! `DELETE /api/tests/builds/{uuid}`: also when there is nothing to remove.

use web::{Answer, Request, Response, openapi::Operation};

use super::test_uuid;
use crate::{bindings::myrmidon::domain::builds, caller::Caller, permission::DeleteBuilds};

pub(crate) fn describe() -> Operation {
    Operation::new("Remove a test's binary").succeeds()
}

pub(crate) async fn remove(caller: Caller<DeleteBuilds>, request: Request) -> Answer {
    builds::remove(caller.actor(), test_uuid(&request)?).await?;
    Ok(Response::success())
}

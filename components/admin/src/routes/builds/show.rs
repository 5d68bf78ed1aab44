//! `GET /api/tests/builds/{uuid}`: whether the test has a binary, and which.

use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use super::{information::Information, test_uuid};
use crate::{bindings::myrmidon::domain::builds, caller::Caller, permission::ReadBuilds};

pub(crate) fn describe() -> Operation {
    Operation::new("Tell whether a test has a binary").answers::<Information>(200)
}

pub(crate) async fn show(caller: Caller<ReadBuilds>, request: Request) -> Answer {
    let found = builds::find_build(caller.actor(), test_uuid(&request)?).await?;
    Response::data(StatusCode::OK, &Information::from(found))
}

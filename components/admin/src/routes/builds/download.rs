//! `GET /api/tests/builds/{uuid}/download`.

use web::{Answer, Problem, Request, download::attachment, openapi::Operation};

use super::test_uuid;
use crate::{bindings::myrmidon::domain::builds, caller::Caller, permission::CreateBuilds};

pub(crate) fn describe() -> Operation {
    Operation::new("Download a test's binary").answers_file().refuses(&[404])
}

/// Needs what uploading needs, as clients know it: a test's binary is an attack tool.
pub(crate) async fn download(caller: Caller<CreateBuilds>, request: Request) -> Answer {
    let opened = builds::open(caller.actor(), test_uuid(&request)?).await?;
    let opened = opened.ok_or_else(|| Problem::not_found("Build not found"))?;
    Ok(attachment(&opened.artifact, opened.content))
}

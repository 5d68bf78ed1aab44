//! `POST /api/agent/admin/approvals/{id}/deny`: let it not happen. Whoever asked may, to withdraw it.

use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use super::{Shown, shape};
use crate::{bindings::myrmidon::domain::approvals, caller::Caller, faults, permission::ReadTasks};

const LONGEST: usize = 1000;

pub(crate) fn describe() -> Operation {
    Operation::new("Deny what somebody asked for")
        .body(Rules::STRICT, read)
        .answers::<Shown>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn deny(caller: Caller<ReadTasks>, mut request: Request) -> Answer {
    let reason = schema::read(request.body(Rules::STRICT).await?, read)?;
    let id = request.parameter("id").to_owned();
    shape::require_same(&caller, &id).await?;
    let denied = approvals::deny(caller.actor(), id, reason).await.map_err(faults::decision)?;
    Response::data(StatusCode::OK, &Shown::from(denied))
}

fn read(body: &mut Object<'_>) -> Option<String> {
    body.optional_string("reason", Text::any(LONGEST))
}

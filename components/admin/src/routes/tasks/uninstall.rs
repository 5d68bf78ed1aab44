//! `POST /api/agent/admin/tasks/uninstall`: have agents remove themselves.

use web::{
    Answer, Request,
    body::Rules,
    openapi::Operation,
    schema::{self, Object},
};

use super::created;
use crate::{bindings::myrmidon::domain::tasks, caller::Caller, faults, permission::DeleteAgents};

pub(crate) fn describe() -> Operation {
    Operation::new("Have agents remove themselves")
        .body(Rules::STRICT, read)
        .answers::<created::Created>(201)
        .refuses(&[404])
}

pub(crate) async fn create(caller: Caller<DeleteAgents>, mut request: Request) -> Answer {
    let (target, cleanup) = schema::read(request.body(Rules::STRICT).await?, read)?;
    caller.require_org(&target.org_id)?;
    let ids = tasks::create_uninstalls(caller.actor(), target.agent_ids, cleanup).await;
    created::answer(ids.map_err(|it| faults::creation(it, "uninstall"))?)
}

fn read(body: &mut Object<'_>) -> (created::Target, bool) {
    (created::target(body), body.optional_boolean("cleanup").unwrap_or_default())
}

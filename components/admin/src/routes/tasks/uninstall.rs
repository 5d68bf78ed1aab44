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
        .query_word::<created::DryRun>("dry_run")
        .answers::<created::Created>(201)
        .answers::<created::Rehearsed>(200)
        .answers::<created::Waiting>(202)
        .refuses(&[404])
}

pub(crate) async fn create(caller: Caller<DeleteAgents>, mut request: Request) -> Answer {
    let (target, cleanup) = schema::read(request.body(Rules::STRICT).await?, read)?;
    let dry_run = created::is_dry_run(&request)?;
    caller.require_org(&target.org_id)?;
    let ids = tasks::create_uninstalls(caller.actor(), target.agent_ids, cleanup, dry_run).await;
    created::answer(ids.map_err(|it| faults::creation(it, "uninstall"))?)
}

fn read(body: &mut Object<'_>) -> (created::Target, bool) {
    (created::target(body), body.optional_boolean("cleanup").unwrap_or_default())
}

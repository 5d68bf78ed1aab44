//! `POST /api/agent/admin/tasks/update`: have agents update themselves.

use web::{Answer, Request, body::Rules, openapi::Operation, schema};

use super::created;
use crate::{bindings::myrmidon::domain::tasks, caller::Caller, faults, permission::CreateTasks};

pub(crate) fn describe() -> Operation {
    Operation::new("Have agents update themselves")
        .body(Rules::STRICT, created::target)
        .query_word::<created::DryRun>("dry_run")
        .answers::<created::Created>(201)
        .answers::<created::Rehearsed>(200)
        .refuses(&[404])
}

pub(crate) async fn create(caller: Caller<CreateTasks>, mut request: Request) -> Answer {
    let target = schema::read(request.body(Rules::STRICT).await?, created::target)?;
    let dry_run = created::is_dry_run(&request)?;
    caller.require_org(&target.org_id)?;
    let ids = tasks::create_updates(caller.actor(), target.agent_ids, dry_run).await;
    created::answer(ids.map_err(|it| faults::creation(it, "tasks"))?)
}

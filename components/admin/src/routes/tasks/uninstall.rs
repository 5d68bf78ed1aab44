//! `POST /api/agent/admin/tasks/uninstall`: have agents remove themselves.

use web::{Answer, Request, body::Rules, schema};

use super::created;
use crate::{bindings::myrmidon::domain::tasks, caller::Caller, faults, permission::DeleteAgents};

pub(crate) async fn create(caller: Caller<DeleteAgents>, mut request: Request) -> Answer {
    let (target, cleanup) = schema::read(request.body(Rules::STRICT).await?, |body| {
        (created::target(body), body.optional_boolean("cleanup").unwrap_or_default())
    })?;
    caller.require_org(&target.org_id)?;
    let ids = tasks::create_uninstalls(caller.actor(), target.agent_ids, cleanup).await;
    created::answer(ids.map_err(|it| faults::creation(it, "uninstall"))?)
}

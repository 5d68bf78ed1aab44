//! One task per agent, all or none.

use domain::{
    ids::OrgId,
    platform::Platform,
    tasks::{
        TaskType,
        eligibility::{Refusal, distinct, refusal},
    },
};
use store::tasks::creation;

use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        tasks::{CreateError, Ineligible, Mismatch},
        types::{Actor, Fault},
    },
    call::{self, Call},
    fault,
};

/// What the tasks of one call have in common.
pub(super) struct Order<'a> {
    pub(super) kind: TaskType,
    pub(super) priority: u8,
    pub(super) payload: &'a str,
    pub(super) execution_timeout: u32,
    pub(super) ttl: u32,
    pub(super) max_retries: u32,
    pub(super) target_index: Option<&'a str>,
    /// What the task runs on, where that matters.
    pub(super) platform: Option<Platform>,
}

/// Returns the new ids in the order of the agents.
pub(super) async fn create(
    call: &Call,
    by: &Actor,
    agents: Vec<String>,
    order: Order<'_>,
) -> Result<Vec<String>, CreateError> {
    let agents = distinct(agents);
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = agents.iter().map(|_| call::sortable_id(call.now)).collect();
    let pairs: Vec<_> = ids.iter().zip(agents.iter().map(|it| &it.0)).collect();
    let assignments = serde_json::to_string(&pairs).map_err(|it| fault::unavailable(&it))?;
    let org = OrgId(by.org_id.clone());
    let entry = audit::entry(call, by, "task.create");
    let entry = entry.with_details(serde_json::json!({ "tasks": pairs }));
    let batch = creation::Batch {
        org: &org,
        id: &call::sortable_id(call.now),
        assignments: &assignments,
        kind: order.kind,
        priority: order.priority,
        payload: order.payload,
        execution_timeout_seconds: order.execution_timeout,
        ttl_seconds: order.ttl,
        max_retries: order.max_retries,
        target_index: order.target_index,
        created_by: &by.user_id,
        entry: Some(&entry),
        platform: order.platform,
    };
    if creation::insert(call.db, batch, call.now).await? {
        audit::seal(call, &org).await;
        return Ok(ids);
    }
    let candidates = creation::list_candidates(call.db, &org, &assignments).await?;
    Err(match refusal(candidates, order.platform) {
        Some(refusal) => refused(refusal, order.platform),
        // What stood in the way is gone already.
        None => CreateError::Fault(Fault::Unavailable),
    })
}

fn refused(refusal: Refusal, platform: Option<Platform>) -> CreateError {
    match refusal {
        Refusal::Unknown(agents) => {
            CreateError::UnknownAgents(agents.into_iter().map(|it| it.0).collect())
        }
        Refusal::Ineligible(agents) => {
            let ineligible = |(agent, status): (domain::ids::AgentId, _)| Ineligible {
                agent_id: agent.0,
                status: domain::agents::AgentStatus::as_str(status).to_owned(),
            };
            CreateError::IneligibleAgents(agents.into_iter().map(ineligible).collect())
        }
        Refusal::WrongPlatform(agents) => {
            let build_platform = platform.map(|it| it.to_string()).unwrap_or_default();
            let mismatch = |(agent, own): (domain::ids::AgentId, Platform)| Mismatch {
                agent_id: agent.0,
                agent_platform: own.to_string(),
                build_platform: build_platform.clone(),
            };
            CreateError::WrongPlatform(agents.into_iter().map(mismatch).collect())
        }
    }
}

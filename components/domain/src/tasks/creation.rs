//! One task per agent, all or none; or the request for another person's approval; or a rehearsal.

use domain::{
    agents::AgentStatus,
    approvals::ApprovalKind,
    ids::{AgentId, OrgId},
    platform::Platform,
    tasks::{
        TaskType,
        eligibility::{Refusal, distinct, refusal},
    },
};
use store::{
    approvals::{self, NewRequest},
    tasks::creation::{self, Looked},
};

use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        tasks::{
            Awaiting, CreateError, Ineligible, Mismatch, Ordered, Rehearsal, WouldGet, WouldNotGet,
        },
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

/// Who the tasks of one call are for, and under which ids.
struct Assignments {
    org: OrgId,
    batch: String,
    ids: Vec<String>,
    agents: Vec<AgentId>,
    /// JSON, an array of `[task id, agent id]`.
    json: String,
}

impl Order<'_> {
    /// The demand that may stand against it, as a path in the settings, and what its approval is called.
    fn demand(&self) -> Option<(&'static str, ApprovalKind)> {
        match self.kind {
            TaskType::ExecuteCommand => Some(("$.commands", ApprovalKind::Command)),
            TaskType::Uninstall => Some(("$.uninstalls", ApprovalKind::Uninstall)),
            TaskType::ExecuteTest | TaskType::UpdateAgent => None,
        }
    }

    /// Whether the organisation wants a second person for it, as of now.
    async fn is_demanded(&self, call: &Call, org: &OrgId) -> Result<bool, store::Error> {
        let Some((_, kind)) = self.demand() else { return Ok(false) };
        let demands = approvals::demands::find(call.db, org).await?;
        Ok(match kind {
            ApprovalKind::Command => demands.commands,
            ApprovalKind::Uninstall => demands.uninstalls,
            ApprovalKind::MandatoryUpdate | ApprovalKind::Settings => false,
        })
    }
}

/// Task ids come in the order of the agents.
pub(super) async fn create(
    call: &Call,
    by: &Actor,
    agents: Vec<String>,
    order: Order<'_>,
    is_rehearsal: bool,
) -> Result<Ordered, CreateError> {
    let wanted = assign(call, by, agents)?;
    if is_rehearsal {
        return rehearse(call, &wanted, &order).await;
    }
    if insert(call, by, &wanted, &order).await? {
        audit::seal(call, &wanted.org).await;
        return Ok(Ordered::Created(wanted.ids));
    }
    if order.is_demanded(call, &wanted.org).await?
        && let Some(awaiting) = ask(call, by, &wanted, &order).await?
    {
        audit::seal(call, &wanted.org).await;
        return Ok(Ordered::AwaitingApproval(awaiting));
    }
    let looked = look(call, &wanted, &order).await?;
    let candidates = looked.into_iter().map(|it| it.candidate).collect();
    Err(match refusal(candidates, order.platform) {
        Some(refusal) => refused(refusal, order.platform),
        // What stood in the way is gone already.
        None => CreateError::Fault(Fault::Unavailable),
    })
}

fn assign(call: &Call, by: &Actor, agents: Vec<String>) -> Result<Assignments, Fault> {
    let agents = distinct(agents);
    let ids: Vec<_> = agents.iter().map(|_| call::sortable_id(call.now)).collect();
    let pairs: Vec<_> = ids.iter().zip(agents.iter().map(|it| &it.0)).collect();
    let json = serde_json::to_string(&pairs).map_err(|it| fault::unavailable(&it))?;
    let (org, batch) = (OrgId(by.org_id.clone()), call::sortable_id(call.now));
    Ok(Assignments { org, batch, ids, agents, json })
}

async fn insert(
    call: &Call,
    by: &Actor,
    wanted: &Assignments,
    order: &Order<'_>,
) -> Result<bool, store::Error> {
    let pairs: Vec<_> = wanted.ids.iter().zip(&wanted.agents).map(|(id, it)| (id, &it.0)).collect();
    let entry = audit::entry(call, by, "task.create");
    let entry = entry.with_details(serde_json::json!({ "tasks": pairs }));
    let batch = creation::Batch {
        org: &wanted.org,
        id: &wanted.batch,
        assignments: &wanted.json,
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
        unless_demanded: order.demand().map(|(path, _)| path),
    };
    creation::insert(call.db, batch, call.now).await
}

/// `None` when an agent is unknown or gone.
async fn ask(
    call: &Call,
    by: &Actor,
    wanted: &Assignments,
    order: &Order<'_>,
) -> Result<Option<Awaiting>, CreateError> {
    let Some((_, kind)) = order.demand() else { return Ok(None) };
    let agents: Vec<_> = wanted.agents.iter().map(AgentId::as_str).collect();
    let payload: serde_json::Value =
        serde_json::from_str(order.payload).map_err(|it| fault::unavailable(&it))?;
    let assignments: serde_json::Value =
        serde_json::from_str(&wanted.json).map_err(|it| fault::unavailable(&it))?;
    let summary = serde_json::json!({
        "type": order.kind.as_str(), "command": payload["command"], "agent_ids": agents,
        "agent_count": agents.len(), "batch_id": wanted.batch,
    });
    let work = serde_json::json!({
        "type": order.kind.as_str(), "priority": order.priority, "payload": order.payload,
        "execution_timeout_seconds": order.execution_timeout, "ttl_seconds": order.ttl,
        "max_retries": order.max_retries, "batch_id": wanted.batch, "assignments": assignments,
    });
    let id = call::sortable_id(call.now);
    let request = NewRequest {
        id: &id,
        org: &wanted.org,
        kind,
        summary: &summary.to_string(),
        work: &work.to_string(),
        entry: &audit::entry(call, by, "approval.request"),
    };
    let expires_at = approvals::insert(call.db, request).await?;
    Ok(expires_at.map(|it| Awaiting { approval_id: id, expires_at: it.into() }))
}

async fn look(
    call: &Call,
    wanted: &Assignments,
    order: &Order<'_>,
) -> Result<Vec<Looked>, store::Error> {
    let Assignments { org, json, .. } = wanted;
    creation::list_prospects(call.db, org, json, order.kind, order.payload).await
}

/// Who would be hit, and who not and why. Writes nothing.
async fn rehearse(
    call: &Call,
    wanted: &Assignments,
    order: &Order<'_>,
) -> Result<Ordered, CreateError> {
    let requires_approval = order.is_demanded(call, &wanted.org).await?;
    let mut rehearsal = Rehearsal { targets: Vec::new(), skipped: Vec::new(), requires_approval };
    for it in look(call, wanted, order).await? {
        sort(it, order.platform, &mut rehearsal);
    }
    Ok(Ordered::Rehearsed(rehearsal))
}

/// To those who would be hit, or to those who would not.
pub(crate) fn sort(it: Looked, platform: Option<Platform>, rehearsal: &mut Rehearsal) {
    let agent_id = it.candidate.agent.0.clone();
    match obstacle(&it, platform) {
        Some(reason) => rehearsal.skipped.push(WouldNotGet {
            agent_id,
            hostname: it.hostname,
            reason: reason.to_owned(),
        }),
        None => rehearsal.targets.push(WouldGet {
            agent_id,
            note: note(&it).map(str::to_owned),
            hostname: it.hostname.unwrap_or_default(),
        }),
    }
}

/// The same conditions as in [`refusal`], agent by agent.
fn obstacle(it: &Looked, platform: Option<Platform>) -> Option<&'static str> {
    match it.candidate.known {
        Some((AgentStatus::Active | AgentStatus::Disabled, own)) => {
            platform.is_some_and(|it| it != own).then_some("wrong_platform")
        }
        known => Some(gone(known.map(|(status, _)| status))),
    }
}

/// Why whoever is not there gets nothing.
pub(crate) fn gone(status: Option<AgentStatus>) -> &'static str {
    match status {
        None => "unknown_agent",
        Some(AgentStatus::Uninstalled) => "already_uninstalled",
        Some(AgentStatus::Decommissioned | AgentStatus::Disabled | AgentStatus::Active) => {
            "not_active"
        }
    }
}

fn note(it: &Looked) -> Option<&'static str> {
    match it.candidate.known {
        _ if it.is_pending => Some("identical_task_pending"),
        Some((AgentStatus::Disabled, _)) => Some("agent_disabled"),
        _ => None,
    }
}

fn refused(refusal: Refusal, platform: Option<Platform>) -> CreateError {
    match refusal {
        Refusal::Unknown(agents) => {
            CreateError::UnknownAgents(agents.into_iter().map(|it| it.0).collect())
        }
        Refusal::Ineligible(agents) => {
            let ineligible = |(agent, status): (AgentId, _)| Ineligible {
                agent_id: agent.0,
                status: AgentStatus::as_str(status).to_owned(),
            };
            CreateError::IneligibleAgents(agents.into_iter().map(ineligible).collect())
        }
        Refusal::WrongPlatform(agents) => {
            let build_platform = platform.map(|it| it.to_string()).unwrap_or_default();
            let mismatch = |(agent, own): (AgentId, Platform)| Mismatch {
                agent_id: agent.0,
                agent_platform: own.to_string(),
                build_platform: build_platform.clone(),
            };
            CreateError::WrongPlatform(agents.into_iter().map(mismatch).collect())
        }
    }
}

//! What people do to agents: status and tags, of one or of many.

use domain::{
    agents::{AgentStatus, MOST_TAGS},
    ids::{AgentId, OrgId},
};
use store::agents::changes::{self, Candidate, Order};

use super::tags;
use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        agents::{AgentChange, BulkAction, BulkOutcome, ChangeError, Skipped},
        types::{Actor, Fault},
    },
    call::Call,
    fault,
};

pub(super) async fn update(
    call: &Call,
    by: &Actor,
    id: &str,
    change: AgentChange,
) -> Result<(), ChangeError> {
    let entry = audit::entry(call, by, "agent.update");
    let (org, agents) = (OrgId(by.org_id.clone()), json(&[id])?);
    let order = Order { org: &org, agents: &agents, entry: &entry };
    let tags = change.tags.map(|it| json(&it)).transpose()?;
    let status = change.status.map(Into::into);
    let updated = changes::record_update(call.db, order, status, tags.as_deref()).await?;
    audit::seal(call, &org).await;
    if !updated.is_empty() {
        return Ok(());
    }
    Err(match candidate(call, &org, &agents).await? {
        None => ChangeError::NotFound,
        Some(it) => ChangeError::Gone(it.status.into()),
    })
}

pub(super) async fn decommission(call: &Call, by: &Actor, id: &str) -> Result<(), ChangeError> {
    let entry = audit::entry(call, by, "agent.decommission");
    let (org, agents) = (OrgId(by.org_id.clone()), json(&[id])?);
    let order = Order { org: &org, agents: &agents, entry: &entry };
    let changed = changes::record_status(call.db, order, AgentStatus::Decommissioned).await?;
    audit::seal(call, &org).await;
    if !changed.is_empty() {
        return Ok(());
    }
    match candidate(call, &org, &agents).await?.map(|it| it.status) {
        None => Err(ChangeError::NotFound),
        Some(AgentStatus::Decommissioned) => Ok(()),
        Some(status) => Err(ChangeError::Gone(status.into())),
    }
}

/// Returns all tags that the agent has then.
pub(super) async fn tag(
    call: &Call,
    by: &Actor,
    id: &str,
    action: BulkAction,
) -> Result<Vec<String>, ChangeError> {
    let (org, agents) = (OrgId(by.org_id.clone()), json(&[id])?);
    let changed = perform(call, by, &agents, &action).await?;
    let found = match changed.into_iter().next() {
        Some(it) => it,
        None => candidate(call, &org, &agents).await?.ok_or(ChangeError::NotFound)?,
    };
    let tags = tags(&found.tags)?;
    match action {
        BulkAction::AddTag(tag) if !tags.contains(&tag) => Err(ChangeError::TooManyTags),
        _ => Ok(tags),
    }
}

pub(super) async fn update_many(
    call: &Call,
    by: &Actor,
    ids: Vec<String>,
    action: BulkAction,
) -> Result<BulkOutcome, Fault> {
    let ids = domain::tasks::eligibility::distinct(ids);
    let ids: Vec<String> = ids.into_iter().map(|it: AgentId| it.0).collect();
    let agents = json(&ids)?;
    let changed = perform(call, by, &agents, &action).await?;
    let candidates = if changed.len() == ids.len() {
        Vec::new()
    } else {
        changes::list_candidates(call.db, &OrgId(by.org_id.clone()), &agents).await?
    };
    let mut outcome = BulkOutcome { updated: Vec::new(), skipped: Vec::new() };
    for id in ids {
        let is_it = |it: &&Candidate| it.id.as_str() == id;
        if changed.iter().any(|it| is_it(&it)) {
            outcome.updated.push(id);
        } else {
            let reason = reason(candidates.iter().find(is_it), &action)?;
            outcome.skipped.push(Skipped { agent_id: id, reason: reason.to_owned() });
        }
    }
    Ok(outcome)
}

async fn perform(
    call: &Call,
    by: &Actor,
    agents: &str,
    action: &BulkAction,
) -> Result<Vec<Candidate>, Fault> {
    let name = match action {
        BulkAction::Enable => "agent.enable",
        BulkAction::Disable => "agent.disable",
        BulkAction::Decommission => "agent.decommission",
        BulkAction::AddTag(_) => "agent.tag",
        BulkAction::RemoveTag(_) => "agent.untag",
    };
    let entry = audit::entry(call, by, name);
    let org = OrgId(by.org_id.clone());
    let order = Order { org: &org, agents, entry: &entry };
    let changed = match action {
        BulkAction::Enable => changes::record_status(call.db, order, AgentStatus::Active).await,
        BulkAction::Disable => changes::record_status(call.db, order, AgentStatus::Disabled).await,
        BulkAction::Decommission => {
            changes::record_status(call.db, order, AgentStatus::Decommissioned).await
        }
        BulkAction::AddTag(tag) => changes::record_tag(call.db, order, tag).await,
        BulkAction::RemoveTag(tag) => changes::delete_tag(call.db, order, tag).await,
    }?;
    audit::seal(call, &org).await;
    Ok(changed)
}

/// Why an agent that stands like this was left alone.
fn reason(candidate: Option<&Candidate>, action: &BulkAction) -> Result<&'static str, Fault> {
    let Some(candidate) = candidate else { return Ok("not_found") };
    let tags = tags(&candidate.tags)?;
    Ok(match (action, candidate.status) {
        (BulkAction::AddTag(tag), _) if tags.contains(tag) => "already_tagged",
        (BulkAction::AddTag(_), _) if tags.len() >= MOST_TAGS => "too_many_tags",
        (BulkAction::RemoveTag(tag), _) if !tags.contains(tag) => "not_tagged",
        (BulkAction::AddTag(_) | BulkAction::RemoveTag(_), _) => "changed_meanwhile",
        (BulkAction::Enable, AgentStatus::Active) => "already_active",
        (BulkAction::Disable, AgentStatus::Disabled) => "already_disabled",
        (_, AgentStatus::Decommissioned) => "decommissioned",
        (_, AgentStatus::Uninstalled) => "uninstalled",
        (_, AgentStatus::Active | AgentStatus::Disabled) => "changed_meanwhile",
    })
}

async fn candidate(call: &Call, org: &OrgId, agents: &str) -> Result<Option<Candidate>, Fault> {
    Ok(changes::list_candidates(call.db, org, agents).await?.into_iter().next())
}

fn json(texts: &[impl serde::Serialize]) -> Result<String, Fault> {
    serde_json::to_string(texts).map_err(|it| fault::unavailable(&it))
}

impl From<Fault> for ChangeError {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}

impl From<store::Error> for ChangeError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

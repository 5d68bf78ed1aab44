//! The fleet as its operators see it.

mod changes;
mod rotation;

use domain::{
    agents as fleet,
    ids::{AgentId, OrgId},
    rate_limit::{Counted, KEY_ROTATION},
};
use store::agents::{self, list};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        agents::{
            Agent, AgentChange, AgentFilter, AgentPage, AgentSummary, BulkAction, BulkOutcome,
            ChangeError, Guest, Judged, Position, RotateError, Rotated,
        },
        types::{Actor, AgentStatus, Fault, RuntimeStatus},
    },
    call::Call,
    fault,
};

impl Guest for Component {
    async fn list_agents(by: Actor, filter: AgentFilter) -> Result<AgentPage, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let wanted = list::Filter {
            status: filter.status.map(Into::into),
            os: filter.os.map(Into::into),
            hostname: filter.hostname.as_deref(),
            tag: filter.tag.as_deref(),
            online_only: filter.online_only,
            stale_only: filter.stale_only,
        };
        let matches = list::count(call.db, &org, &wanted, call.now).await?;
        let mut found = match filter.limit {
            0 => Vec::new(),
            limit => {
                let after = filter.after.map(list::Position::from);
                // One more than is shown tells whether there is more.
                let page = list::Wanted {
                    after: after.as_ref(),
                    limit: limit.saturating_add(1),
                    offset: filter.offset,
                };
                list::list(call.db, &org, &wanted, page, matches, call.now).await?
            }
        };
        let next = cut(&mut found, filter.limit);
        let agents = found.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        Ok(AgentPage { agents, total: matches.total, next })
    }

    async fn find_agent(by: Actor, id: String) -> Result<Option<Agent>, Fault> {
        let call = Call::begin()?;
        let agent = agents::find(call.db, &OrgId(by.org_id), &AgentId(id), call.now).await?;
        agent.map(TryInto::try_into).transpose()
    }

    async fn update_agent(
        by: Actor,
        id: String,
        change: AgentChange,
    ) -> Result<Agent, ChangeError> {
        let call = Call::begin()?;
        changes::update(&call, &by, &id, change).await?;
        let agent = agents::find(call.db, &OrgId(by.org_id), &AgentId(id), call.now).await?;
        Ok(agent.ok_or(ChangeError::NotFound)?.try_into()?)
    }

    async fn decommission(by: Actor, id: String) -> Result<(), ChangeError> {
        changes::decommission(&Call::begin()?, &by, &id).await
    }

    async fn add_tag(by: Actor, id: String, tag: String) -> Result<Vec<String>, ChangeError> {
        changes::tag(&Call::begin()?, &by, &id, BulkAction::AddTag(tag)).await
    }

    async fn remove_tag(by: Actor, id: String, tag: String) -> Result<Vec<String>, ChangeError> {
        changes::tag(&Call::begin()?, &by, &id, BulkAction::RemoveTag(tag)).await
    }

    async fn update_many(
        by: Actor,
        ids: Vec<String>,
        action: BulkAction,
    ) -> Result<BulkOutcome, Fault> {
        changes::update_many(&Call::begin()?, &by, ids, action).await
    }

    async fn rotate_key(by: Actor, id: String) -> Result<Rotated, RotateError> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "agent.rotate-key");
        let (org, agent) = (OrgId(by.org_id), AgentId(id));
        let Counted { budget, allowed } = count_rotation(&call, &by.user_id, &agent).await?;
        if !allowed {
            return Err(RotateError::RateLimited(budget.into()));
        }
        let (agent_key, rotated_at) = rotation::start(&call, &org, &agent, &entry, budget).await?;
        audit::seal(&call, &org).await;
        Ok(Rotated {
            agent_key,
            agent_id: agent.0,
            rotated_at: rotated_at.into(),
            budget: budget.into(),
        })
    }
}

/// Cuts what was read beyond the page, and says where the page ended if there was something.
fn cut(found: &mut Vec<agents::Summary>, limit: u32) -> Option<Position> {
    if found.len() <= limit as usize {
        return None;
    }
    found.truncate(limit as usize);
    let last = found.last()?;
    Some(Position { last_heartbeat: last.last_heartbeat_at.map(Into::into), id: last.id.0.clone() })
}

/// By person and agent: nobody can spend another's rotations (D-73).
async fn count_rotation(call: &Call, user: &str, agent: &AgentId) -> Result<Counted, store::Error> {
    let limiter = ["rotate", user, agent.as_str()].join(":");
    store::rate_limits::count(call.db, &limiter, KEY_ROTATION, call.now).await
}

fn tags(text: &str) -> Result<Vec<String>, Fault> {
    serde_json::from_str(text).map_err(|error| fault::unavailable(&error))
}

impl From<Position> for list::Position {
    fn from(it: Position) -> Self {
        Self { last_heartbeat_at: it.last_heartbeat.map(Into::into), id: AgentId(it.id) }
    }
}

impl From<agents::Judged> for Judged {
    fn from(it: agents::Judged) -> Self {
        Self { health_score: it.health_score, is_stale: it.is_stale, is_duplicate: it.is_duplicate }
    }
}

impl TryFrom<agents::Summary> for AgentSummary {
    type Error = Fault;

    fn try_from(it: agents::Summary) -> Result<Self, Fault> {
        Ok(Self {
            id: it.id.0,
            org_id: it.org.0,
            hostname: it.hostname,
            os: it.platform.os.into(),
            arch: it.platform.arch.into(),
            agent_version: it.agent_version,
            status: it.status.into(),
            runtime_status: it.runtime_status.into(),
            last_heartbeat: it.last_heartbeat_at.map(Into::into),
            tags: tags(&it.tags)?,
            is_online: it.is_online,
            rotation_pending: it.rotation_pending,
            rejected_since: it.rejected_since.map(Into::into),
            judged: it.judged.into(),
        })
    }
}

impl TryFrom<agents::Agent> for Agent {
    type Error = Fault;

    fn try_from(it: agents::Agent) -> Result<Self, Fault> {
        Ok(Self {
            id: it.id.0,
            org_id: it.org.0,
            hostname: it.hostname,
            os: it.platform.os.into(),
            arch: it.platform.arch.into(),
            agent_version: it.agent_version,
            status: it.status.into(),
            last_heartbeat: it.last_heartbeat_at.map(Into::into),
            last_heartbeat_data: it.last_heartbeat.map(Into::into),
            enrolled_at: it.enrolled_at.into(),
            enrolled_by: it.enrolled_by,
            tags: tags(&it.tags)?,
            created_at: it.created_at.into(),
            updated_at: it.updated_at.into(),
            rotation_pending: it.rotation_pending,
            is_online: it.is_online,
            rejected_since: it.rejected_since.map(Into::into),
            previous_key_expires_at: it.previous_key_expires_at.map(Into::into),
            judged: it.judged.into(),
        })
    }
}

impl From<fleet::AgentStatus> for AgentStatus {
    fn from(it: fleet::AgentStatus) -> Self {
        match it {
            fleet::AgentStatus::Active => Self::Active,
            fleet::AgentStatus::Disabled => Self::Disabled,
            fleet::AgentStatus::Decommissioned => Self::Decommissioned,
            fleet::AgentStatus::Uninstalled => Self::Uninstalled,
        }
    }
}

impl From<AgentStatus> for fleet::AgentStatus {
    fn from(it: AgentStatus) -> Self {
        match it {
            AgentStatus::Active => Self::Active,
            AgentStatus::Disabled => Self::Disabled,
            AgentStatus::Decommissioned => Self::Decommissioned,
            AgentStatus::Uninstalled => Self::Uninstalled,
        }
    }
}

impl From<fleet::RuntimeStatus> for RuntimeStatus {
    fn from(it: fleet::RuntimeStatus) -> Self {
        match it {
            fleet::RuntimeStatus::Idle => Self::Idle,
            fleet::RuntimeStatus::Executing => Self::Executing,
            fleet::RuntimeStatus::Updating => Self::Updating,
            fleet::RuntimeStatus::Error => Self::Error,
            fleet::RuntimeStatus::Offline => Self::Offline,
        }
    }
}

impl From<Fault> for RotateError {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}

impl From<store::Error> for RotateError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

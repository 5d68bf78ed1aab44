//! What waits for a second person, and the decision.

use domain::{
    approvals::{self as rules, Demands},
    ids::OrgId,
};
use store::{
    approvals::{self, LeftOut, Obstacle, demands},
    tasks::creation::list_prospects,
};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        approval_sweeps,
        approvals::{
            Approval, ApprovalFilter, ApprovalKey, ApprovalKind, ApprovalPage, ApprovalStatus,
            Approved, DecideError, Demands as Wire, Guest, SetOutcome,
        },
        tasks::{Rehearsal, WouldNotGet},
        types::{Actor, Fault},
    },
    call::{self, Call},
    tasks::creation::{gone, sort},
};

impl Guest for Component {
    async fn list_approvals(by: Actor, filter: ApprovalFilter) -> Result<ApprovalPage, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let status = filter.status.map(Into::into);
        let after = filter.after.map(|it| (it.requested_at.unix_ms, it.id));
        let total = approvals::count(call.db, &org, status).await?;
        if filter.limit == 0 {
            return Ok(ApprovalPage { approvals: Vec::new(), total, next: None });
        }
        // A cursor says where; nothing is left out beside it.
        let offset = if after.is_some() { 0 } else { filter.offset };
        let limit = filter.limit.saturating_add(1);
        let mut page =
            approvals::list(call.db, &org, status, after.as_ref(), limit, offset).await?;
        let goes_on = page.len() > filter.limit as usize;
        page.truncate(filter.limit as usize);
        let next = page
            .last()
            .filter(|_| goes_on)
            .map(|it| ApprovalKey { requested_at: it.requested_at.into(), id: it.id.clone() });
        Ok(ApprovalPage { approvals: page.into_iter().map(Into::into).collect(), total, next })
    }

    async fn find_approval(by: Actor, id: String) -> Result<Option<Approval>, Fault> {
        let call = Call::begin()?;
        let org = OrgId(by.org_id);
        let Some(found) = approvals::find(call.db, &org, &id).await? else { return Ok(None) };
        Ok(Some(with_tasks(&call, &org, found).await?))
    }

    async fn approve(by: Actor, id: String) -> Result<Approved, DecideError> {
        let call = Call::begin()?;
        if !rules::is_person(&by.user_id) {
            return Err(DecideError::NotAPerson);
        }
        let entry = audit::entry(&call, &by, "approval.approve");
        let org = OrgId(by.org_id);
        let approved = approvals::record_approval(call.db, &org, &id, &entry).await?;
        audit::seal(&call, &org).await;
        let Some(approved) = approved else {
            return Err(unapproved(&call, &org, &id, &by.user_id).await?);
        };
        let skipped = approvals::list_left_out(call.db, &org, &id).await?;
        let skipped = skipped.into_iter().map(Into::into).collect();
        Ok(Approved { approval: with_tasks(&call, &org, approved).await?, skipped })
    }

    async fn rehearse_approval(by: Actor, id: String) -> Result<Rehearsal, DecideError> {
        let call = Call::begin()?;
        if !rules::is_person(&by.user_id) {
            return Err(DecideError::NotAPerson);
        }
        let org = OrgId(by.org_id);
        if !approvals::is_approvable(call.db, &org, &id, &by.user_id, call.now).await? {
            return Err(unapproved(&call, &org, &id, &by.user_id).await?);
        }
        let mut rehearsal =
            Rehearsal { targets: Vec::new(), skipped: Vec::new(), requires_approval: false };
        if let Some(work) = approvals::find_work(call.db, &org, &id).await? {
            let approvals::Work { assignments, kind, payload } = work;
            for it in list_prospects(call.db, &org, &assignments, kind, &payload).await? {
                sort(it, None, &mut rehearsal);
            }
        }
        Ok(rehearsal)
    }

    async fn deny(by: Actor, id: String, reason: Option<String>) -> Result<Approval, DecideError> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "approval.deny");
        let org = OrgId(by.org_id);
        let denied =
            approvals::record_denial(call.db, &org, &id, reason.as_deref(), &entry).await?;
        audit::seal(&call, &org).await;
        let Some(denied) = denied else {
            let since = DecideError::Fault(Fault::Unavailable);
            return Err(undecided(&call, &org, &id, since).await?);
        };
        Ok(denied.into())
    }

    async fn find_demands(by: Actor) -> Result<Wire, Fault> {
        let call = Call::begin()?;
        Ok(demands::find(call.db, &OrgId(by.org_id)).await?.into())
    }

    async fn set_demands(by: Actor, wanted: Wire) -> Result<SetOutcome, Fault> {
        let call = Call::begin()?;
        let (org, wanted) = (OrgId(by.org_id.clone()), Demands::from(wanted));
        let entry = audit::entry(&call, &by, "settings.update");
        let is_set = demands::record(call.db, &org, wanted, &entry).await?;
        audit::seal(&call, &org).await;
        if is_set {
            return Ok(SetOutcome::Done);
        }
        let (now, version) = demands::find_with_version(call.db, &org).await?;
        let now = demands::to_json(now);
        let next = demands::to_json(wanted);
        let request = approvals::NewRequest {
            id: &call::sortable_id(call.now),
            org: &org,
            kind: rules::ApprovalKind::Settings,
            summary: &format!(r#"{{"from":{now},"to":{next}}}"#),
            work: &format!(r#"{{"value":{next},"version":{version}}}"#),
            entry: &audit::entry(&call, &by, "approval.request"),
        };
        approvals::insert(call.db, request).await?;
        audit::seal(&call, &org).await;
        let asked = approvals::find(call.db, &org, request.id).await?;
        asked.map(|it| SetOutcome::Awaiting(it.into())).ok_or(Fault::Unavailable)
    }
}

impl approval_sweeps::Guest for Component {
    async fn expire_approvals(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        Ok(approvals::expire(call.db, call.now, limit).await?)
    }
}

/// Why a decision was not recorded; `pending` is what it means when nothing was decided yet.
async fn undecided(
    call: &Call,
    org: &OrgId,
    id: &str,
    pending: DecideError,
) -> Result<DecideError, Fault> {
    Ok(match approvals::find(call.db, org, id).await? {
        None => DecideError::NotFound,
        Some(it) if it.status != rules::ApprovalStatus::Pending => {
            DecideError::AlreadyDecided(it.status.into())
        }
        Some(it) if it.expires_at <= call.now => {
            DecideError::AlreadyDecided(ApprovalStatus::Expired)
        }
        Some(_) => pending,
    })
}

/// Why an approval was not recorded.
async fn unapproved(
    call: &Call,
    org: &OrgId,
    id: &str,
    person: &str,
) -> Result<DecideError, Fault> {
    let obstacle = approvals::find_obstacle(call.db, org, id, person).await?;
    let pending = match obstacle {
        None => DecideError::NotFound,
        Some(Obstacle::OwnRequest) => DecideError::OwnRequest,
        Some(Obstacle::Related) => DecideError::Related,
        Some(Obstacle::Outdated) => DecideError::Outdated,
    };
    undecided(call, org, id, pending).await
}

async fn with_tasks(
    call: &Call,
    org: &OrgId,
    approval: approvals::Approval,
) -> Result<Approval, Fault> {
    let task_ids = approvals::list_tasks(call.db, org, &approval.id).await?;
    Ok(Approval { task_ids, ..approval.into() })
}

impl From<approvals::Approval> for Approval {
    fn from(it: approvals::Approval) -> Self {
        Self {
            id: it.id,
            kind: it.kind.into(),
            status: it.status.into(),
            summary: it.summary.into(),
            requested_by: it.requested_by.0,
            requested_at: it.requested_at.into(),
            expires_at: it.expires_at.into(),
            decided_by: it.decided_by.map(|it| it.0),
            decided_at: it.decided_at.map(Into::into),
            reason: it.reason,
            task_ids: Vec::new(),
        }
    }
}

impl From<LeftOut> for WouldNotGet {
    fn from(it: LeftOut) -> Self {
        let reason = gone(it.status).to_owned();
        Self { agent_id: it.agent.0, hostname: it.hostname, reason }
    }
}

impl From<rules::ApprovalKind> for ApprovalKind {
    fn from(it: rules::ApprovalKind) -> Self {
        match it {
            rules::ApprovalKind::Command => Self::Command,
            rules::ApprovalKind::Uninstall => Self::Uninstall,
            rules::ApprovalKind::MandatoryUpdate => Self::MandatoryUpdate,
            rules::ApprovalKind::Settings => Self::Settings,
        }
    }
}

impl From<rules::ApprovalStatus> for ApprovalStatus {
    fn from(it: rules::ApprovalStatus) -> Self {
        match it {
            rules::ApprovalStatus::Pending => Self::PendingApproval,
            rules::ApprovalStatus::Approved => Self::Approved,
            rules::ApprovalStatus::Denied => Self::Denied,
            rules::ApprovalStatus::Expired => Self::Expired,
        }
    }
}

impl From<ApprovalStatus> for rules::ApprovalStatus {
    fn from(it: ApprovalStatus) -> Self {
        match it {
            ApprovalStatus::PendingApproval => Self::Pending,
            ApprovalStatus::Approved => Self::Approved,
            ApprovalStatus::Denied => Self::Denied,
            ApprovalStatus::Expired => Self::Expired,
        }
    }
}

impl From<Demands> for Wire {
    fn from(it: Demands) -> Self {
        let Demands { commands, uninstalls, mandatory_updates } = it;
        Self { commands, uninstalls, mandatory_updates }
    }
}

impl From<Wire> for Demands {
    fn from(it: Wire) -> Self {
        let Wire { commands, uninstalls, mandatory_updates } = it;
        Self { commands, uninstalls, mandatory_updates }
    }
}

impl From<store::Error> for DecideError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Fault> for DecideError {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}

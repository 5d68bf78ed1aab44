//! How an approval looks, and what its decision takes.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Problem,
    contract::{Json, Timestamp, choices::Choice},
};

use crate::{
    bindings::myrmidon::domain::{
        approvals::{self, Approval, ApprovalKind, ApprovalStatus},
        identity::Permission,
    },
    caller::Caller,
    permission::ReadTasks,
};

impl Choice for ApprovalStatus {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("pending_approval", Self::PendingApproval),
        ("approved", Self::Approved),
        ("denied", Self::Denied),
        ("expired", Self::Expired),
    ];

    fn word(self) -> &'static str {
        match self {
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct Shown {
    id: String,
    kind: &'static str,
    status: &'static str,
    summary: Json,
    requested_by: String,
    requested_at: Timestamp,
    expires_at: Timestamp,
    decided_by: Option<String>,
    decided_at: Option<Timestamp>,
    reason: Option<String>,
    task_ids: Vec<String>,
}

impl From<Approval> for Shown {
    fn from(it: Approval) -> Self {
        let kind = match it.kind {
            ApprovalKind::Command => "command",
            ApprovalKind::Uninstall => "uninstall",
            ApprovalKind::MandatoryUpdate => "mandatory_update",
            ApprovalKind::Settings => "settings",
        };
        Self {
            id: it.id,
            kind,
            status: it.status.word(),
            summary: it.summary,
            requested_by: it.requested_by,
            requested_at: it.requested_at,
            expires_at: it.expires_at,
            decided_by: it.decided_by,
            decided_at: it.decided_at,
            reason: it.reason,
            task_ids: it.task_ids,
        }
    }
}

/// Whoever decides must be permitted to do what waits.
pub(super) async fn require_same(caller: &Caller<ReadTasks>, id: &str) -> Result<(), Problem> {
    let found = approvals::find_approval(caller.actor(), id.to_owned()).await?;
    let approval = found.ok_or_else(|| Problem::not_found("Approval not found"))?;
    caller.require(match approval.kind {
        ApprovalKind::Command => Permission::EndpointsTasksCommand,
        ApprovalKind::Uninstall => Permission::EndpointsAgentsDelete,
        ApprovalKind::MandatoryUpdate => Permission::EndpointsVersionsCreate,
        ApprovalKind::Settings => Permission::SettingsPlatformWrite,
    })
}

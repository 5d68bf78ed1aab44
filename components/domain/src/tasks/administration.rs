//! What people do with tasks that exist: call them off, remove them, write on them.

use std::collections::{HashMap, HashSet};

use domain::ids::{OrgId, TaskId};
use store::tasks::{self, bulk, notes};

use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        tasks::{AnnotateError, BulkAction, BulkOutcome, BulkSkip, CancelError, LeftAlone},
        types::{Actor, Fault, Task},
    },
    call::Call,
    fault,
};

pub(super) async fn cancel(call: &Call, by: &Actor, id: &TaskId) -> Result<Task, CancelError> {
    let org = OrgId(by.org_id.clone());
    let entry = audit::entry(call, by, "task.cancel");
    if let Some(cancelled) = tasks::record_cancellation(call.db, &org, id, &entry).await? {
        audit::seal(call, &org).await;
        return Ok(cancelled.into());
    }
    match tasks::find(call.db, &org, id).await? {
        None => Err(CancelError::NotFound),
        Some(task) => Err(CancelError::AlreadyEnded(task.status.into())),
    }
}

pub(super) async fn delete(call: &Call, by: &Actor, id: &TaskId) -> Result<bool, Fault> {
    let org = OrgId(by.org_id.clone());
    let deleted = tasks::delete(call.db, &org, id, &audit::entry(call, by, "task.delete")).await?;
    audit::seal(call, &org).await;
    Ok(deleted)
}

pub(super) async fn annotate(
    call: &Call,
    by: &Actor,
    id: &TaskId,
    content: &str,
    expected_count: Option<u32>,
) -> Result<Task, AnnotateError> {
    let org = OrgId(by.org_id.clone());
    let entry = audit::entry(call, by, "task.annotate");
    let note = notes::Note { content, entry: &entry, expected_count };
    if let Some(annotated) = notes::append(call.db, &org, id, note).await? {
        audit::seal(call, &org).await;
        return Ok(annotated.into());
    }
    match tasks::find(call.db, &org, id).await? {
        None => Err(AnnotateError::NotFound),
        Some(task) => Err(AnnotateError::Conflict(task.notes_count)),
    }
}

/// Each task counts once, in the order of first appearance.
pub(super) async fn change_many(
    call: &Call,
    by: &Actor,
    ids: Vec<String>,
    action: BulkAction,
) -> Result<BulkOutcome, Fault> {
    let org = OrgId(by.org_id.clone());
    let wanted = serde_json::to_string(&ids).map_err(|it| fault::unavailable(&it))?;
    let entry = |action| audit::entry(call, by, action);
    let changed = match action {
        BulkAction::Cancel => {
            let entry = entry("task.cancel");
            bulk::record_cancellations(call.db, &org, &wanted, &entry).await?
        }
        BulkAction::Delete => bulk::delete(call.db, &org, &wanted, &entry("task.delete")).await?,
    };
    audit::seal(call, &org).await;
    let mut changed: HashSet<_> = changed.into_iter().map(|it| it.0).collect();
    let statuses = bulk::list_statuses(call.db, &org, &wanted).await?;
    let statuses: HashMap<_, _> = statuses.into_iter().map(|(id, it)| (id.0, it)).collect();
    let mut outcome = BulkOutcome { updated: Vec::new(), skipped: Vec::new() };
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id.clone()) {
            continue;
        }
        if changed.remove(&id) {
            outcome.updated.push(id);
            continue;
        }
        let reason = match statuses.get(&id) {
            Some(status) => LeftAlone::AlreadyEnded((*status).into()),
            None => LeftAlone::NotFound,
        };
        outcome.skipped.push(BulkSkip { task_id: id, reason });
    }
    Ok(outcome)
}

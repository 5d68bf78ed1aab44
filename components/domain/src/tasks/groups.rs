//! Tasks by batch.

use std::collections::HashMap;

use domain::ids::{BatchId, OrgId};
use store::tasks::{groups, list};

use crate::{
    bindings::exports::myrmidon::domain::{
        tasks::{BatchPage, GroupPage, MemberPosition, TaskFilter, TaskGroup, TaskPosition},
        types::{Fault, Task},
    },
    call::Call,
    fault,
};

pub(super) fn wanted(filter: &TaskFilter) -> list::Filter<'_> {
    list::Filter {
        agent: filter.agent_id.as_deref(),
        status: filter.status.map(Into::into),
        kind: filter.type_.map(Into::into),
        search: filter.search.as_deref(),
    }
}

pub(super) fn position(it: TaskPosition) -> list::Position {
    list::Position { at: it.at.into(), id: it.id }
}

/// One more than is shown tells whether there is more.
pub(super) fn page<P>(limit: u32, offset: u32, after: Option<&P>) -> list::Wanted<'_, P> {
    let offset = if after.is_some() { 0 } else { offset };
    list::Wanted { limit: limit.saturating_add(1), offset, after }
}

/// Takes away what is not shown; the last one that is, if there was any.
pub(super) fn cut<T>(listed: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = limit as usize;
    let more = listed.len() > limit;
    listed.truncate(limit);
    listed.last().filter(|_| more)
}

pub(super) async fn list(
    call: &Call,
    org: &OrgId,
    mut filter: TaskFilter,
) -> Result<GroupPage, Fault> {
    let after = filter.after.take().map(position);
    let wanted = wanted(&filter);
    let matches = list::count(call.db, org, &wanted).await?;
    let total = groups::count(call.db, org, &wanted, matches).await?;
    let page = page(filter.limit, filter.offset, after.as_ref());
    let mut batches = match filter.limit {
        0 => Vec::new(),
        _ => groups::places(call.db, org, &wanted, page, matches).await?,
    };
    let next = cut(&mut batches, filter.limit)
        .map(|it| TaskPosition { at: it.newest_at.into(), id: it.batch.0.clone() });
    if batches.is_empty() {
        return Ok(GroupPage { groups: Vec::new(), total, next: None });
    }
    let batches = ids(batches.iter().map(|it| &it.batch))?;
    let mut members: HashMap<String, Vec<Task>> = HashMap::new();
    for member in groups::members(call.db, org, &batches).await? {
        members.entry(member.task.batch.clone()).or_default().push(member.into());
    }
    let groups = groups::list(call.db, org, &batches).await?.into_iter().map(|it| {
        let tasks = members.remove(it.batch.as_str()).unwrap_or_default();
        present(it, tasks)
    });
    Ok(GroupPage { groups: groups.collect(), total, next })
}

/// `wanted` asks for one more than is shown.
pub(super) async fn find(
    call: &Call,
    org: &OrgId,
    batch: BatchId,
    wanted: list::Wanted<'_, list::MemberPosition>,
) -> Result<Option<BatchPage>, Fault> {
    let found = groups::list(call.db, org, &ids([&batch])?).await?.into_iter().next();
    let Some(group) = found else { return Ok(None) };
    let limit = wanted.limit.saturating_sub(1);
    let mut members = match limit {
        0 => Vec::new(),
        _ => list::list_batch(call.db, org, &batch, wanted).await?,
    };
    let next = cut(&mut members, limit).map(|it| MemberPosition {
        hostname: it.hostname.clone().unwrap_or_default(),
        created_at: it.task.created_at.into(),
        id: it.task.id.0.clone(),
    });
    let tasks = members.into_iter().map(Into::into).collect();
    Ok(Some(BatchPage { group: present(group, tasks), next }))
}

impl From<MemberPosition> for list::MemberPosition {
    fn from(it: MemberPosition) -> Self {
        Self { hostname: it.hostname, created_at: it.created_at.into(), id: it.id }
    }
}

fn ids<'a>(batches: impl IntoIterator<Item = &'a BatchId>) -> Result<String, Fault> {
    let ids: Vec<_> = batches.into_iter().map(BatchId::as_str).collect();
    serde_json::to_string(&ids).map_err(|it| fault::unavailable(&it))
}

fn present(group: groups::Group, tasks: Vec<Task>) -> TaskGroup {
    TaskGroup {
        batch_id: group.batch.0,
        type_: group.kind.into(),
        payload: group.payload.into(),
        created_at: group.created_at.into(),
        created_by: group.created_by,
        agent_count: group.count,
        status_counts: group.status_counts.into(),
        tasks,
    }
}

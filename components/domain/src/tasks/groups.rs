//! Tasks by batch.

use std::collections::HashMap;

use domain::ids::{BatchId, OrgId};
use store::tasks::{groups, list};

use crate::{
    bindings::exports::myrmidon::domain::{
        tasks::{GroupPage, TaskFilter, TaskGroup},
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

pub(super) async fn list(
    call: &Call,
    org: &OrgId,
    filter: &TaskFilter,
) -> Result<GroupPage, Fault> {
    let wanted = wanted(filter);
    let total = groups::count(call.db, org, &wanted).await?;
    let batches = match filter.limit {
        0 => Vec::new(),
        limit => groups::places(call.db, org, &wanted, limit, filter.offset).await?,
    };
    if batches.is_empty() {
        return Ok(GroupPage { groups: Vec::new(), total });
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
    Ok(GroupPage { groups: groups.collect(), total })
}

pub(super) async fn find(
    call: &Call,
    org: &OrgId,
    batch: BatchId,
    limit: u32,
    offset: u32,
) -> Result<Option<TaskGroup>, Fault> {
    let found = groups::list(call.db, org, &ids([&batch])?).await?.into_iter().next();
    let Some(group) = found else { return Ok(None) };
    let members = match limit {
        0 => Vec::new(),
        limit => list::list_batch(call.db, org, &batch, limit, offset).await?,
    };
    Ok(Some(present(group, members.into_iter().map(Into::into).collect())))
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

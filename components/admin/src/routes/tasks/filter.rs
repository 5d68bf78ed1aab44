//! Which tasks a list is to show: the same words for single tasks and for groups.

use web::{
    Problem, Query,
    contract::{TaskStatus, TaskType, choices::Choice as _},
};

use crate::bindings::myrmidon::domain::tasks::TaskFilter;

/// None where a word is asked for that no task has.
pub(super) fn read(query: &Query) -> Result<Option<TaskFilter>, Problem> {
    let page = query.page(50)?;
    let (status, kind) = (query.one("status")?, query.one("type")?);
    let filter = TaskFilter {
        agent_id: query.text("agent_id")?,
        status: status.and_then(TaskStatus::from_word),
        type_: kind.and_then(TaskType::from_word),
        search: query.text("search")?,
        limit: page.limit,
        offset: page.offset,
    };
    let known =
        status.is_none() == filter.status.is_none() && kind.is_none() == filter.type_.is_none();
    Ok(known.then_some(filter))
}

//! Which tasks a list is to show: the same words for single tasks and for groups.

use web::{
    Problem, Query,
    contract::{TaskStatus, TaskType, Timestamp, choices::Choice as _},
    cursor,
};

use crate::bindings::myrmidon::domain::tasks::{TaskFilter, TaskPosition};

/// None where a word is asked for that no task has.
pub(super) fn read(query: &Query) -> Result<Option<TaskFilter>, Problem> {
    let page = query.page(50)?;
    let after: Option<(i64, String)> = query.cursor()?;
    let (status, kind) = (query.one("status")?, query.one("type")?);
    let filter = TaskFilter {
        agent_id: query.text("agent_id")?,
        status: status.and_then(TaskStatus::from_word),
        type_: kind.and_then(TaskType::from_word),
        search: query.text("search")?,
        limit: page.limit,
        offset: page.offset,
        after: after.map(|(unix_ms, id)| TaskPosition { at: Timestamp { unix_ms }, id }),
    };
    let known =
        status.is_none() == filter.status.is_none() && kind.is_none() == filter.type_.is_none();
    Ok(known.then_some(filter))
}

pub(super) fn cursor(next: Option<TaskPosition>) -> Result<Option<String>, Problem> {
    next.map(|it| cursor::encode(&(it.at.unix_ms, it.id))).transpose()
}

//! `GET /api/agent/admin/schedules`: newest first. `data` stays the array that clients know.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Page, Problem, Query, Request, Response, StatusCode,
    contract::{Timestamp, choices::Choice as _},
    cursor,
    openapi::Operation,
};

use super::shown::Shown;
use crate::{
    bindings::myrmidon::domain::schedules::{
        self, ScheduleFilter, SchedulePosition, ScheduleStatus,
    },
    caller::Caller,
    permission::ReadSchedules,
};

#[derive(JsonSchema, Serialize)]
struct Listed {
    success: bool,
    data: Vec<Shown>,
    total: u64,
    next_cursor: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List schedules")
        .query(filter)
        .query_word::<ScheduleStatus>("status")
        .answers_plainly::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<ReadSchedules>, request: Request) -> Answer {
    let mut listed = Listed { success: true, data: Vec::new(), total: 0, next_cursor: None };
    if let Some(filter) = filter(&request.query()?)? {
        let page = schedules::list_schedules(caller.actor(), filter).await?;
        listed.data = page.schedules.into_iter().map(Shown::from).collect();
        listed.total = page.total;
        let next = page.next.map(|it| cursor::encode(&(it.created_at.unix_ms, it.id)));
        listed.next_cursor = next.transpose()?;
    }
    Response::json(StatusCode::OK, &listed)
}

/// None where a status is asked for that no listed schedule has.
fn filter(query: &Query) -> Result<Option<ScheduleFilter>, Problem> {
    let page = query.page(Page::LARGEST)?;
    let after = query.cursor::<(i64, String)>()?;
    let status = query.one("status")?;
    let filter = ScheduleFilter {
        status: status.and_then(ScheduleStatus::from_word),
        limit: page.limit,
        offset: page.offset,
        after: after.map(|(at, id)| SchedulePosition { created_at: Timestamp { unix_ms: at }, id }),
    };
    Ok((status.is_none() == filter.status.is_none()).then_some(filter))
}

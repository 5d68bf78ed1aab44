//! `GET /api/agent/admin/agents/{id}/events`: what happened to an agent, newest first (fleet.md §12.3).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Query, Request, Response, StatusCode,
    contract::{Json, Timestamp},
    cursor,
    openapi::Operation,
};

use crate::{
    bindings::myrmidon::domain::fleet::{self, Event, EventFilter, Position},
    caller::Caller,
    permission::ReadAgents,
};

#[derive(JsonSchema, Serialize)]
struct Page {
    events: Vec<Shown>,
    total: u64,
    next_cursor: Option<String>,
}

#[derive(JsonSchema, Serialize)]
struct Shown {
    id: u64,
    agent_id: String,
    event_type: String,
    details: Json,
    created_at: Timestamp,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List an agent's events, newest first")
        .query(filter)
        .answers::<Page>(200)
        .refuses(&[404])
}

pub(crate) async fn list(caller: Caller<ReadAgents>, request: Request) -> Answer {
    let mut filter = filter(&request.query()?)?;
    let limit = filter.limit as usize;
    // One more than is shown tells whether there is more.
    filter.limit = filter.limit.saturating_add(u32::from(limit > 0));
    let id = request.parameter("id").to_owned();
    let page = fleet::list_events(caller.actor(), id.clone(), filter).await?;
    let mut page = page.ok_or_else(|| Problem::not_found("Agent not found"))?;
    let more = page.events.len() > limit;
    page.events.truncate(limit);
    let next_cursor = match page.events.last() {
        Some(last) if more => Some(cursor::encode(&(last.created_at.unix_ms, last.id))?),
        _ => None,
    };
    let shown = |it: Event| Shown {
        id: it.id,
        agent_id: id.clone(),
        event_type: it.kind,
        details: it.details,
        created_at: it.created_at,
    };
    let events = page.events.into_iter().map(shown).collect();
    Response::data(StatusCode::OK, &Page { events, total: page.total, next_cursor })
}

fn filter(query: &Query) -> Result<EventFilter, Problem> {
    let page = query.page(50)?;
    let after: Option<(i64, u64)> = query.cursor()?;
    if after.is_some_and(|(_, id)| i64::try_from(id).is_err()) {
        return Err(Problem::bad_request("Invalid cursor"));
    }
    Ok(EventFilter {
        kind: query.text("event_type")?,
        limit: page.limit,
        offset: if after.is_some() { 0 } else { page.offset },
        after: after.map(|(unix_ms, id)| Position { created_at: Timestamp { unix_ms }, id }),
    })
}

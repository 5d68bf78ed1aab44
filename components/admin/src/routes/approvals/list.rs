//! `GET /api/agent/admin/approvals`: newest first.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    contract::{Timestamp, choices::Choice as _},
    cursor,
    openapi::Operation,
};

use super::Shown;
use crate::{
    bindings::myrmidon::domain::approvals::{self, ApprovalFilter, ApprovalKey, ApprovalStatus},
    caller::Caller,
    permission::ReadTasks,
};

#[derive(Default, JsonSchema, Serialize)]
struct Listed {
    approvals: Vec<Shown>,
    total: u64,
    next_cursor: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List what waits for a second person")
        .query(|query| Ok((query.page(50)?, query.one("cursor")?.is_some())))
        .query_word::<ApprovalStatus>("status")
        .answers::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let query = request.query()?;
    let (page, status) = (query.page(50)?, query.one("status")?);
    let known = status.map(ApprovalStatus::from_word);
    if known == Some(None) {
        return Response::data(StatusCode::OK, &Listed::default());
    }
    let after = query
        .cursor::<(i64, String)>()?
        .map(|(unix_ms, id)| ApprovalKey { requested_at: Timestamp { unix_ms }, id });
    let filter =
        ApprovalFilter { status: known.flatten(), after, limit: page.limit, offset: page.offset };
    let found = approvals::list_approvals(caller.actor(), filter).await?;
    let next = found.next.map(|it| cursor::encode(&(it.requested_at.unix_ms, it.id)));
    let next_cursor = next.transpose()?;
    let approvals = found.approvals.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &Listed { approvals, total: found.total, next_cursor })
}

//! `GET /api/audit`: the log, newest first, filtered; or all of it as a file (`format=csv`, `format=ndjson`).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Query, Request, Response, StatusCode, contract::Timestamp, cursor, header,
    openapi::Operation,
};

use super::{export, rows::Shown};
use crate::{
    bindings::myrmidon::domain::audit::{self, AuditFilter},
    caller::Caller,
    permission::ManageUsers,
};

const USUAL_LIMIT: u32 = 50;
const MOST: u32 = 500;

#[derive(JsonSchema, Serialize)]
struct Page {
    entries: Vec<Shown>,
    total: u64,
    next_cursor: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Read the audit log, or export it")
        .query(|query| {
            format(query, None)?;
            filter(query)
        })
        .answers::<Page>(200)
        .answers_file_of(&["text/csv", "application/x-ndjson"])
        .header(200, "X-Total-Count", "How many rows the file has when it is whole.")
        .header(200, "X-Export-Limit", "How many rows a file has at most.")
}

pub(crate) async fn list(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let query = request.query()?;
    let filter = filter(&query)?;
    if let Some(format) = format(&query, request.header(header::ACCEPT))? {
        return export::start(caller.actor(), filter, format).await;
    }
    let page = audit::list_entries(caller.actor(), filter).await?;
    let page = Page {
        entries: page.rows.entries.into_iter().map(Into::into).collect(),
        total: page.total,
        next_cursor: page.rows.next.map(|it| cursor::encode(&it)).transpose()?,
    };
    Response::data(StatusCode::OK, &page)
}

fn filter(query: &Query) -> Result<AuditFilter, Problem> {
    Ok(AuditFilter {
        actor: query.text("actor")?,
        action: query.text("action")?,
        target_type: query.text("target_type")?,
        target_id: query.text("target_id")?,
        request_id: query.text("request_id")?,
        from: instant(query, "from")?,
        to: instant(query, "to")?,
        before: query.cursor()?,
        limit: query.whole("limit", 1, MOST)?.unwrap_or(USUAL_LIMIT),
    })
}

fn instant(query: &Query, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = query.one(name)? else { return Ok(None) };
    match web::instant::parse(text) {
        Some(unix_ms) => Ok(Some(Timestamp { unix_ms })),
        None => Err(Problem::invalid(name, "Invalid ISO datetime")),
    }
}

/// What the query names, else what the client says it accepts before anything else; none is JSON.
fn format(query: &Query, accepted: Option<&str>) -> Result<Option<export::Format>, Problem> {
    match query.word("format", &["json", "csv", "ndjson"])? {
        Some("csv") => Ok(Some(export::Format::Csv)),
        Some("ndjson") => Ok(Some(export::Format::Ndjson)),
        Some(_) => Ok(None),
        None => Ok(match accepted.and_then(|it| it.split([',', ';']).next()).map(str::trim) {
            Some("text/csv") => Some(export::Format::Csv),
            Some("application/x-ndjson") => Some(export::Format::Ndjson),
            _ => None,
        }),
    }
}

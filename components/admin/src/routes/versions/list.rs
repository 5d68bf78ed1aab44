//! `GET /api/agent/admin/versions`: newest registration first. `data` stays the array that clients know.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Page, Problem, Query, Request, Response, StatusCode,
    contract::{Arch, Os, Release, Timestamp, choices::Choice},
    cursor,
    openapi::Operation,
};

use super::word;
use crate::{
    bindings::myrmidon::domain::releases::{self, ReleaseFilter, ReleaseKey},
    caller::Caller,
    permission::ReadVersions,
};

#[derive(JsonSchema, Serialize)]
struct Listed {
    success: bool,
    data: Vec<Release>,
    total: u64,
    next_cursor: Option<String>,
}

/// `(created at, version, os, arch)` of the last row that was seen.
type Position = (i64, String, String, String);

pub(crate) fn describe() -> Operation {
    Operation::new("List agent versions")
        .query(filter)
        .query_word::<Os>("os")
        .query_word::<Arch>("arch")
        .answers_plainly::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<ReadVersions>, request: Request) -> Answer {
    let filter = filter(&request.query()?)?;
    let page = releases::list_releases(caller.actor(), filter).await?;
    let position = |it: ReleaseKey| {
        cursor::encode(&(it.created_at.unix_ms, it.version, it.os.word(), it.arch.word()))
    };
    let listed = Listed {
        success: true,
        data: page.releases,
        total: page.total,
        next_cursor: page.next.map(position).transpose()?,
    };
    Response::json(StatusCode::OK, &listed)
}

fn filter(query: &Query) -> Result<ReleaseFilter, Problem> {
    let page = query.page(Page::LARGEST)?;
    let after = query.cursor::<Position>()?.map(key).transpose()?;
    let (os, arch) = (query.one("os")?, query.one("arch")?);
    Ok(ReleaseFilter {
        os: os.map(|it| word(it, "Invalid os parameter")).transpose()?,
        arch: arch.map(|it| word(it, "Invalid arch parameter")).transpose()?,
        after,
        limit: page.limit,
        offset: page.offset,
    })
}

fn key((unix_ms, version, os, arch): Position) -> Result<ReleaseKey, Problem> {
    Ok(ReleaseKey {
        created_at: Timestamp { unix_ms },
        version,
        os: word(&os, "Invalid cursor")?,
        arch: word(&arch, "Invalid cursor")?,
    })
}

//! `GET /api/api-keys`: the organisation's keys, newest first. Never a key itself.

use web::{Answer, Page, Problem, Query, Request, Response, StatusCode, openapi::Operation};

use super::Shown;
use crate::{bindings::myrmidon::domain::api_keys, caller::Caller, permission::ManageUsers};

pub(crate) fn describe() -> Operation {
    Operation::new("List API keys").query(wanted).answers::<Vec<Shown>>(200)
}

pub(crate) async fn list(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let page = wanted(&request.query()?)?;
    let keys = api_keys::list(caller.actor(), page.limit, page.offset).await?;
    let shown: Vec<Shown> = keys.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &shown)
}

fn wanted(query: &Query) -> Result<Page, Problem> {
    query.page(Page::LARGEST)
}

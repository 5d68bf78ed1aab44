//! `GET /api/api-keys`: the organisation's keys, newest first. Never a key itself.

use web::{Answer, Page, Request, Response, StatusCode};

use super::Shown;
use crate::{bindings::myrmidon::domain::api_keys, caller::Caller, permission::ManageUsers};

pub(crate) async fn list(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let page = request.query()?.page(Page::LARGEST)?;
    let keys = api_keys::list(caller.actor(), page.limit, page.offset).await?;
    let shown: Vec<Shown> = keys.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &shown)
}

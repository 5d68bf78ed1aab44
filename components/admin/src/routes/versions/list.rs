//! `GET /api/agent/admin/versions`: newest registration first.

use web::{Answer, Page, Request, Response, StatusCode, contract::Release, openapi::Operation};

use crate::{bindings::myrmidon::domain::releases, caller::Caller, permission::ReadVersions};

pub(crate) fn describe() -> Operation {
    Operation::new("List agent versions")
        .query(|query| query.page(Page::LARGEST))
        .answers::<Vec<Release>>(200)
}

pub(crate) async fn list(caller: Caller<ReadVersions>, request: Request) -> Answer {
    let page = request.query()?.page(Page::LARGEST)?;
    let releases = releases::list_releases(caller.actor(), page.limit, page.offset).await?;
    Response::data(StatusCode::OK, &releases)
}

//! `GET /api/users/invitations`: those that can still be accepted.

use web::{Answer, Page, Request, Response, StatusCode};

use super::Shown;
use crate::{bindings::myrmidon::domain::users, caller::Caller, permission::ManageUsers};

pub(crate) async fn list(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let page = request.query()?.page(Page::LARGEST)?;
    let pending = users::list_invitations(caller.actor(), page.limit, page.offset).await?;
    let shown: Vec<Shown> = pending.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &shown)
}

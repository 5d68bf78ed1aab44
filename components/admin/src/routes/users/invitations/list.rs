//! `GET /api/users/invitations`: those that can still be accepted.

use web::{Answer, Page, Problem, Query, Request, Response, StatusCode, openapi::Operation};

use super::Shown;
use crate::{bindings::myrmidon::domain::users, caller::Caller, permission::ManageUsers};

pub(crate) fn describe() -> Operation {
    Operation::new("List open invitations").query(wanted).answers::<Vec<Shown>>(200)
}

pub(crate) async fn list(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let page = wanted(&request.query()?)?;
    let pending = users::list_invitations(caller.actor(), page.limit, page.offset).await?;
    let shown: Vec<Shown> = pending.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &shown)
}

fn wanted(query: &Query) -> Result<Page, Problem> {
    query.page(Page::LARGEST)
}

//! `GET /api/users`: one answer for the console, which reads `data`, and for whoever pages.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Problem, Query, Request, Response, StatusCode, openapi::Operation};

use super::shown::{Brief, Person};
use crate::{bindings::myrmidon::domain::users, caller::Caller, permission::ManageUsers};

const LARGEST: u32 = 100;
const FURTHEST: u32 = 1_000_000;

#[derive(JsonSchema, Serialize)]
struct Listed {
    success: bool,
    data: Vec<Person>,
    users: Vec<Brief>,
    page: u32,
    limit: u32,
    total: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List accounts").query(wanted).answers_plainly::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let (page, limit) = wanted(&request.query()?)?;
    let found = users::list(caller.actor(), limit, (page - 1) * limit).await?;
    let listed = Listed {
        success: true,
        data: found.users.iter().map(Person::from).collect(),
        users: found.users.iter().map(Brief::from).collect(),
        page,
        limit,
        total: found.total,
    };
    Response::json(StatusCode::OK, &listed)
}

fn wanted(query: &Query) -> Result<(u32, u32), Problem> {
    let page = query.whole("page", 1, FURTHEST)?.unwrap_or(1);
    Ok((page, query.whole("limit", 1, LARGEST)?.unwrap_or(LARGEST)))
}

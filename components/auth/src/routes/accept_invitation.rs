//! `POST /api/auth/accept-invitation`: whoever was invited chooses a name and a password.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::Role,
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{bindings::myrmidon::domain::sessions, faults};

#[derive(JsonSchema, Serialize)]
struct Accepted {
    id: String,
    email: String,
    name: String,
    role: Option<Role>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Accept an invitation")
        .body(Rules::STRICT, read)
        .answers::<Accepted>(201)
        .refuses(&[409, 429, 503])
}

pub(crate) async fn accept(mut request: Request) -> Answer {
    let body = request.body(Rules::STRICT).await?;
    let (token, name, password) = schema::read(body, read)?;
    let made = sessions::accept_invitation(token, name, password, request.origin())
        .await
        .map_err(faults::acceptance)?;
    let it = made.account;
    let accepted = Accepted { id: it.id, email: it.email, name: it.name, role: it.role };
    Ok(Response::data(StatusCode::CREATED, &accepted)?.with_budget(&made.budget))
}

/// The domain says all at once what is wrong with the name and the password.
fn read(body: &mut Object<'_>) -> (String, Option<String>, Option<String>) {
    let token = body.string("token", Text::required(256, "token is required"));
    (token, body.unjudged_string("name"), body.unjudged_string("password"))
}

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
    let address = request.client_address();
    let body = request.body(Rules::STRICT).await?;
    let (token, name, password) = schema::read(body, read)?;
    let it = sessions::accept_invitation(token, name, password, address)
        .await
        .map_err(faults::acceptance)?;
    let accepted = Accepted { id: it.id, email: it.email, name: it.name, role: it.role };
    Response::data(StatusCode::CREATED, &accepted)
}

/// The domain says all at once what is wrong with the name and the password.
fn read(body: &mut Object<'_>) -> (String, Option<String>, Option<String>) {
    let token = body.string("token", Text::required(256, "token is required"));
    (token, body.unjudged_string("name"), body.unjudged_string("password"))
}

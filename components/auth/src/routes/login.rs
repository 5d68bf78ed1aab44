//! `POST /api/auth/login`: a password for a session.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::{Role, Timestamp},
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{bindings::myrmidon::domain::sessions, faults};

#[derive(JsonSchema, Serialize)]
struct SignedIn {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
    token_type: &'static str,
    user: User,
}

#[derive(JsonSchema, Serialize)]
struct User {
    id: String,
    email: String,
    name: String,
    role: Option<Role>,
    org_id: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Sign in with a password")
        .body(Rules::STRICT, read)
        .answers::<SignedIn>(200)
        .refuses(&[401, 429, 503])
}

pub(crate) async fn sign_in(mut request: Request) -> Answer {
    let body = request.body(Rules::STRICT).await?;
    let (email, password) = schema::read(body, read)?;
    let it = sessions::sign_in(email, password, request.origin()).await.map_err(faults::sign_in)?;
    let signed_in = SignedIn {
        access_token: it.tokens.access_token,
        refresh_token: it.tokens.refresh_token,
        expires_at: it.tokens.expires_at,
        token_type: "Bearer",
        user: User {
            id: it.user.id,
            email: it.user.email,
            name: it.user.name,
            role: it.user.role,
            org_id: it.org_id,
        },
    };
    Ok(Response::data(StatusCode::OK, &signed_in)?.with_budget(&it.budget))
}

fn read(body: &mut Object<'_>) -> (String, String) {
    let email = body.string("email", Text::required(254, "email is required"));
    (email, body.string("password", Text::required(1024, "password is required")))
}

//! `POST /api/auth/login`: a password for a session.

use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::{Role, Timestamp},
    schema::{self, Text},
};

use crate::{bindings::myrmidon::domain::sessions, faults};

#[derive(Serialize)]
struct SignedIn {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
    token_type: &'static str,
    user: User,
}

#[derive(Serialize)]
struct User {
    id: String,
    email: String,
    name: String,
    role: Option<Role>,
    org_id: String,
}

pub(crate) async fn sign_in(mut request: Request) -> Answer {
    let address = request.client_address();
    let body = request.body(Rules::STRICT).await?;
    let (email, password) = schema::read(body, |body| {
        let email = body.string("email", Text::required(254, "email is required"));
        (email, body.string("password", Text::required(1024, "password is required")))
    })?;
    let it = sessions::sign_in(email, password, address).await.map_err(faults::sign_in)?;
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
    Response::data(StatusCode::OK, &signed_in)
}

//! `POST /api/cli/auth/poll`: every two seconds, until somebody approves.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::{Role, Timestamp},
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{bindings::myrmidon::domain::device_logins, faults};

#[derive(JsonSchema, Serialize)]
struct Claimed {
    access_token: String,
    refresh_token: String,
    expires_at: Timestamp,
    user_id: String,
    org_id: String,
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Ask whether a device was approved")
        .body(Rules::STRICT, read)
        .answers::<Claimed>(200)
        .refuses(&[202, 404, 410, 429, 503])
}

pub(crate) async fn poll(mut request: Request) -> Answer {
    let code = schema::read(request.body(Rules::STRICT).await?, read)?;
    let it = device_logins::poll(code, request.origin()).await.map_err(faults::poll)?;
    let claimed = Claimed {
        access_token: it.tokens.access_token,
        refresh_token: it.tokens.refresh_token,
        expires_at: it.tokens.expires_at,
        user_id: it.user_id,
        org_id: it.org_id,
        role: it.role,
        email: it.email,
        display_name: it.display_name,
    };
    Ok(Response::data(StatusCode::OK, &claimed)?.with_budget(&it.budget))
}

fn read(body: &mut Object<'_>) -> String {
    body.string("device_code", Text::required(256, "device_code is required"))
}

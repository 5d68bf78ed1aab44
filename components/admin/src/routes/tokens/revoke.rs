//! `DELETE /api/agent/admin/tokens/{id}`.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Problem, Request, Response, StatusCode, openapi::Operation};

use crate::{
    bindings::myrmidon::domain::enrollment_tokens, caller::Caller, permission::DeleteTokens,
};

#[derive(JsonSchema, Serialize)]
struct Revoked {
    message: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Revoke an enrollment token").answers::<Revoked>(200).refuses(&[404])
}

pub(crate) async fn revoke(caller: Caller<DeleteTokens>, request: Request) -> Answer {
    if enrollment_tokens::revoke(caller.actor(), request.parameter("id").to_owned()).await? {
        Response::data(StatusCode::OK, &Revoked { message: "Token revoked" })
    } else {
        Err(Problem::not_found("Token not found"))
    }
}

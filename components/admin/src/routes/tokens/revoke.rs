//! `DELETE /api/agent/admin/tokens/{id}`.

use serde::Serialize;
use web::{Answer, Problem, Request, Response, StatusCode};

use crate::{
    bindings::myrmidon::domain::enrollment_tokens, caller::Caller, permission::DeleteTokens,
};

#[derive(Serialize)]
struct Revoked {
    message: &'static str,
}

pub(crate) async fn revoke(caller: Caller<DeleteTokens>, request: Request) -> Answer {
    if enrollment_tokens::revoke(caller.actor(), request.parameter("id").to_owned()).await? {
        Response::data(StatusCode::OK, &Revoked { message: "Token revoked" })
    } else {
        Err(Problem::not_found("Token not found"))
    }
}

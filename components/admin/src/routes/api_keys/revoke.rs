//! `DELETE /api/api-keys/{id}`: the key is dead on its next request.

use web::{Answer, Problem, Request, Response, openapi::Operation};

use crate::{bindings::myrmidon::domain::api_keys, caller::Caller, permission::ManageUsers};

pub(crate) fn describe() -> Operation {
    Operation::new("Revoke an API key").succeeds().refuses(&[404])
}

pub(crate) async fn revoke(caller: Caller<ManageUsers>, request: Request) -> Answer {
    if api_keys::revoke(caller.actor(), request.parameter("id").to_owned()).await? {
        Ok(Response::success())
    } else {
        Err(Problem::not_found("API key not found or already revoked"))
    }
}

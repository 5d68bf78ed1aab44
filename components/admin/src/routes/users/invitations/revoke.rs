//! `POST /api/users/invitations/{id}/revoke`.

use web::{Answer, Problem, Request, Response, openapi::Operation};

use crate::{bindings::myrmidon::domain::users, caller::Caller, permission::ManageUsers};

pub(crate) fn describe() -> Operation {
    Operation::new("Revoke an invitation").succeeds().refuses(&[404])
}

pub(crate) async fn revoke(caller: Caller<ManageUsers>, request: Request) -> Answer {
    if users::revoke_invitation(caller.actor(), request.parameter("id").to_owned()).await? {
        Ok(Response::success())
    } else {
        Err(Problem::not_found("Invitation not found"))
    }
}

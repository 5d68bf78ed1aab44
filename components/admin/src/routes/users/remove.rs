//! `DELETE /api/users/{id}`.

use web::{Answer, Request, Response, openapi::Operation};

use crate::{bindings::myrmidon::domain::users, caller::Caller, faults, permission::ManageUsers};

pub(crate) fn describe() -> Operation {
    Operation::new("Remove an account").succeeds().refuses(&[400, 404, 409])
}

pub(crate) async fn remove(caller: Caller<ManageUsers>, request: Request) -> Answer {
    users::remove(caller.actor(), request.parameter("id").to_owned())
        .await
        .map_err(|it| faults::user_change(it, "You cannot delete your own account"))?;
    Ok(Response::success())
}

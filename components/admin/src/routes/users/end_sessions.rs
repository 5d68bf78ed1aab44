//! `DELETE /api/users/{id}/sessions`: whoever it is must sign in again. Tokens of an identity provider
//! are that provider's to end.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Problem, Request, Response, StatusCode, openapi::Operation};

use crate::{bindings::myrmidon::domain::users, caller::Caller, permission::ManageUsers};

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    user_id: String,
    ended: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("End all sessions of a person").answers::<Ended>(200).refuses(&[404])
}

pub(crate) async fn end(caller: Caller<ManageUsers>, request: Request) -> Answer {
    let user_id = request.parameter("id").to_owned();
    let ended = users::end_sessions(caller.actor(), user_id.clone()).await?;
    let ended = ended.ok_or_else(|| Problem::not_found("User not found"))?;
    Response::data(StatusCode::OK, &Ended { user_id, ended })
}

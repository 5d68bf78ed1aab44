//! `PUT` and `DELETE /api/users/{id}/role`: acts on the next request of whoever it is.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::Role,
    openapi::Operation,
    schema::{self, Object},
};

use crate::{bindings::myrmidon::domain::users, caller::Caller, faults, permission::ManageUsers};

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Assigned {
    user_id: String,
    role: Option<Role>,
}

pub(crate) fn describe_assign() -> Operation {
    Operation::new("Assign a role")
        .body(Rules::STRICT, read)
        .answers::<Assigned>(200)
        .refuses(&[404, 409])
}

pub(crate) fn describe_withdraw() -> Operation {
    Operation::new("Withdraw a role").answers::<Assigned>(200).refuses(&[404, 409])
}

pub(crate) async fn assign(caller: Caller<ManageUsers>, mut request: Request) -> Answer {
    let role = schema::read(request.body(Rules::STRICT).await?, read)?;
    set(&caller, &request, Some(role)).await
}

pub(crate) async fn withdraw(caller: Caller<ManageUsers>, request: Request) -> Answer {
    set(&caller, &request, None).await
}

fn read(body: &mut Object<'_>) -> Role {
    body.choice("role")
}

async fn set(caller: &Caller<ManageUsers>, request: &Request, role: Option<Role>) -> Answer {
    let user_id = request.parameter("id").to_owned();
    users::set_role(caller.actor(), user_id.clone(), role)
        .await
        .map_err(|it| faults::user_change(it, "You cannot change your own role"))?;
    Response::data(StatusCode::OK, &Assigned { user_id, role })
}

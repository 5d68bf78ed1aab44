//! `PUT /api/users/{id}/status`: whoever is disabled is nobody on the next request.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{bindings::myrmidon::domain::users, caller::Caller, faults, permission::ManageUsers};

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    user_id: String,
    status: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Disable or enable an account")
        .body(Rules::STRICT, read)
        .answers::<Shown>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn activate(caller: Caller<ManageUsers>, mut request: Request) -> Answer {
    let active = schema::read(request.body(Rules::STRICT).await?, read)?;
    let user_id = request.parameter("id").to_owned();
    users::set_active(caller.actor(), user_id.clone(), active)
        .await
        .map_err(|it| faults::user_change(it, "You cannot disable your own account"))?;
    let status = if active { "active" } else { "disabled" };
    Response::data(StatusCode::OK, &Shown { user_id, status })
}

fn read(body: &mut Object<'_>) -> bool {
    match body.string("status", Text::any(20)).as_str() {
        "active" => true,
        "disabled" => false,
        _ => {
            body.issue("status", "Invalid option: expected one of \"active\"|\"disabled\"");
            false
        }
    }
}

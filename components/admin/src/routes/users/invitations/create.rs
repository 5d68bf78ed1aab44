//! `POST /api/users/invite`.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    body::Rules,
    contract::{Fault, Role},
    openapi::Operation,
    schema::{self, Object, Text},
    settings,
};

use super::Shown;
use crate::{bindings::myrmidon::domain::users, caller::Caller, faults, permission::ManageUsers};

#[derive(JsonSchema, Serialize)]
struct Invited {
    #[serde(flatten)]
    invitation: Shown,
    /// In clear, this once.
    token: String,
    /// A page of the console; what is behind `#` never reaches a server's log.
    url: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Invite somebody")
        .body(Rules::STRICT, read)
        .answers::<Invited>(200)
        .refuses(&[409])
}

pub(crate) async fn create(caller: Caller<ManageUsers>, mut request: Request) -> Answer {
    let (email, role) = schema::read(request.body(Rules::STRICT).await?, read)?;
    let invited = users::invite(caller.actor(), email, role).await.map_err(faults::invitation)?;
    let console = settings::variable("cors_origin")
        .await
        .map_err(|_| Problem::from(Fault::Unavailable))?
        .unwrap_or_default();
    let shown = Invited {
        url: format!("{console}/sign-up#invitation={}", invited.secret),
        token: invited.secret,
        invitation: invited.invitation.into(),
    };
    Response::data(StatusCode::OK, &shown)
}

fn read(body: &mut Object<'_>) -> (String, Role) {
    const EMAIL: Text = Text::required(254, "A valid email address is required");
    (body.string("email", EMAIL), body.choice("role"))
}

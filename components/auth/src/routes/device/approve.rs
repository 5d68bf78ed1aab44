//! `POST /api/cli/auth/verify`: a person lets the device act for them.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{
    bindings::myrmidon::domain::device_logins::{self, Approval, Approver},
    caller::SignedIn,
    faults,
};

#[derive(JsonSchema, Serialize)]
struct Approved {
    message: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Let a device act for the caller")
        .body(Rules::STRICT, read)
        .answers::<Approved>(200)
}

pub(crate) async fn approve(caller: SignedIn, mut request: Request) -> Answer {
    let code = schema::read(request.body(Rules::STRICT).await?, read)?;
    let approver = Approver {
        has_account: caller.session_id.is_some(),
        role: caller.role,
        actor: caller.actor,
    };
    let message = match device_logins::approve(approver, code).await.map_err(faults::approval)? {
        Approval::Approved => "Code verified. CLI will be authenticated shortly.",
        Approval::ApprovedBefore => "Code already verified. CLI will be authenticated shortly.",
    };
    Response::data(StatusCode::OK, &Approved { message })
}

fn read(body: &mut Object<'_>) -> String {
    body.string("user_code", Text::required(64, "user_code is required"))
}

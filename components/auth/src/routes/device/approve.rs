//! `POST /api/cli/auth/verify`: a person lets the device act for them.

use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    schema::{self, Text},
};

use crate::{
    bindings::myrmidon::domain::device_logins::{self, Approval, Approver},
    caller::SignedIn,
    faults,
};

#[derive(Serialize)]
struct Approved {
    message: &'static str,
}

pub(crate) async fn approve(caller: SignedIn, mut request: Request) -> Answer {
    let code = schema::read(request.body(Rules::STRICT).await?, |body| {
        body.string("user_code", Text::required(64, "user_code is required"))
    })?;
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

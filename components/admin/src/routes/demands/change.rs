//! `PUT /api/agent/admin/settings/approvals`: asking for more is done at once; asking for less waits
//! for another person.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object},
};

use super::Shown;
use crate::{
    bindings::myrmidon::domain::approvals::{self, Demands, SetOutcome},
    caller::Caller,
    permission::WriteSettings,
    routes::approvals::Shown as Approval,
};

#[derive(JsonSchema, Serialize)]
struct Waiting {
    approval: Approval,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Say what two people are needed for")
        .body(Rules::STRICT, read)
        .answers::<Shown>(200)
        .answers::<Waiting>(202)
}

pub(crate) async fn change(caller: Caller<WriteSettings>, mut request: Request) -> Answer {
    let demands = schema::read(request.body(Rules::STRICT).await?, read)?;
    match approvals::set_demands(caller.actor(), demands).await? {
        SetOutcome::Done => Response::data(StatusCode::OK, &Shown::from(demands)),
        SetOutcome::Awaiting(it) => {
            Response::data(StatusCode::ACCEPTED, &Waiting { approval: it.into() })
        }
    }
}

/// All of it: what is left out would be asked for no more.
fn read(body: &mut Object<'_>) -> Demands {
    let mut flag = |key| {
        body.optional_boolean(key).unwrap_or_else(|| {
            body.issue(key, "Invalid input: expected boolean, received undefined");
            false
        })
    };
    Demands {
        commands: flag("commands"),
        uninstalls: flag("uninstalls"),
        mandatory_updates: flag("mandatory_updates"),
    }
}

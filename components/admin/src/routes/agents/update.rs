//! `PATCH /api/agent/admin/agents/{id}`: switch an agent off and on, set its tags (D-35).

use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::{AgentStatus, choices::Choice},
    openapi::Operation,
    schema::{self, Length, Object, Text},
};

use super::show::Shown;
use crate::{
    bindings::myrmidon::domain::agents::{self, AgentChange},
    caller::Caller,
    faults,
    permission::WriteAgents,
};

/// What a person may set.
#[derive(Clone, Copy, PartialEq)]
struct Settable(AgentStatus);

impl Choice for Settable {
    const WORDS: &'static [(&'static str, Self)] =
        &[("active", Self(AgentStatus::Active)), ("disabled", Self(AgentStatus::Disabled))];

    fn word(self) -> &'static str {
        self.0.word()
    }
}

pub(crate) fn describe() -> Operation {
    Operation::new("Switch an agent on or off, set its tags")
        .body(Rules::STRICT, read)
        .answers::<Shown>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn update(caller: Caller<WriteAgents>, mut request: Request) -> Answer {
    let change = schema::read(request.body(Rules::STRICT).await?, read)?;
    let id = request.parameter("id").to_owned();
    let agent =
        agents::update_agent(caller.actor(), id, change).await.map_err(faults::agent_change)?;
    Response::data(StatusCode::OK, &Shown::from(agent))
}

fn read(body: &mut Object<'_>) -> AgentChange {
    AgentChange {
        status: body.optional_choice::<Settable>("status").map(|it| it.0),
        tags: body.optional_strings("tags", Length { empty: None, most: 50 }, Text::filled(64)),
    }
}

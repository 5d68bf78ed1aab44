//! `POST /api/agent/admin/agents/bulk`: one thing to many agents, in one step. Needs the permission
//! that the same thing needs for one agent.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::choices::Choice,
    openapi::Operation,
    schema::{self, Length, Object, Text},
};

use crate::{
    bindings::myrmidon::domain::agents::{self, BulkAction, Skipped},
    caller::Caller,
    permission::{DeleteAgents, Permission as _, WriteAgents},
};

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Enable,
    Disable,
    Decommission,
    AddTag,
    RemoveTag,
}

impl Choice for Action {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("enable", Self::Enable),
        ("disable", Self::Disable),
        ("decommission", Self::Decommission),
        ("add_tag", Self::AddTag),
        ("remove_tag", Self::RemoveTag),
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Decommission => "decommission",
            Self::AddTag => "add_tag",
            Self::RemoveTag => "remove_tag",
        }
    }
}

#[derive(JsonSchema, Serialize)]
struct Outcome {
    updated: Vec<String>,
    skipped: Vec<Left>,
}

#[derive(JsonSchema, Serialize)]
struct Left {
    agent_id: String,
    reason: String,
}

impl From<Skipped> for Left {
    fn from(it: Skipped) -> Self {
        Self { agent_id: it.agent_id, reason: it.reason }
    }
}

pub(crate) fn describe() -> Operation {
    Operation::new("Do one thing to many agents").body(Rules::STRICT, read).answers::<Outcome>(200)
}

pub(crate) async fn update(caller: Caller<WriteAgents>, mut request: Request) -> Answer {
    let (ids, action) = schema::read(request.body(Rules::STRICT).await?, read)?;
    if matches!(action, BulkAction::Decommission | BulkAction::RemoveTag(_)) {
        caller.require(DeleteAgents::NEEDED)?;
    }
    let outcome = agents::update_many(caller.actor(), ids, action).await?;
    let outcome = Outcome {
        updated: outcome.updated,
        skipped: outcome.skipped.into_iter().map(Left::from).collect(),
    };
    Response::data(StatusCode::OK, &outcome)
}

fn read(body: &mut Object<'_>) -> (Vec<String>, BulkAction) {
    let length = Length { empty: Some("At least one agent_id is required"), most: 1000 };
    let ids = body.strings("agent_ids", length, Text::any(255));
    let action = body.choice::<Action>("action");
    let mut tag = || body.string("tag", Text::required(64, "Tag is required"));
    let action = match action {
        Action::Enable => BulkAction::Enable,
        Action::Disable => BulkAction::Disable,
        Action::Decommission => BulkAction::Decommission,
        Action::AddTag => BulkAction::AddTag(tag()),
        Action::RemoveTag => BulkAction::RemoveTag(tag()),
    };
    (ids, action)
}

//! `/api/agent/admin/agents/{id}/tags`: one tag more, one tag less. Whole tags, exactly (D-38).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Text},
};

use crate::{
    bindings::myrmidon::domain::agents,
    caller::Caller,
    faults,
    permission::{DeleteAgents, WriteAgents},
};

#[derive(JsonSchema, Serialize)]
struct Tagged {
    id: String,
    tags: Vec<String>,
}

pub(crate) fn describe_addition() -> Operation {
    Operation::new("Give an agent a tag")
        .body(Rules::STRICT, read)
        .answers::<Tagged>(200)
        .refuses(&[404])
}

pub(crate) async fn add(caller: Caller<WriteAgents>, mut request: Request) -> Answer {
    let tag = schema::read(request.body(Rules::STRICT).await?, read)?;
    let id = request.parameter("id").to_owned();
    let tags = agents::add_tag(caller.actor(), id.clone(), tag).await;
    let tags = tags.map_err(faults::agent_change)?;
    Response::data(StatusCode::OK, &Tagged { id, tags })
}

fn read(body: &mut Object<'_>) -> String {
    body.string("tag", Text::required(64, "Tag is required"))
}

pub(crate) fn describe_removal() -> Operation {
    Operation::new("Take a tag from an agent").answers::<Tagged>(200).refuses(&[404])
}

/// Also when there is no such tag.
pub(crate) async fn remove(caller: Caller<DeleteAgents>, request: Request) -> Answer {
    let (id, tag) = (request.parameter("id").to_owned(), request.parameter("tag").to_owned());
    let tags = agents::remove_tag(caller.actor(), id.clone(), tag).await;
    let tags = tags.map_err(faults::agent_change)?;
    Response::data(StatusCode::OK, &Tagged { id, tags })
}

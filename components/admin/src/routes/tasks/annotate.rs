//! `PATCH /api/agent/admin/tasks/{id}/notes`: write on a task.

use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::Task,
    openapi::Operation,
    schema::{self, Object, Text, Whole},
};

use crate::{bindings::myrmidon::domain::tasks, caller::Caller, faults, permission::AnnotateTasks};

const LONGEST: usize = 10_000;

struct Note {
    content: String,
    /// How many notes the writer has seen.
    expected_count: Option<u32>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Write a note on a task")
        .body(Rules::STRICT, read)
        .answers::<Task>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn annotate(caller: Caller<AnnotateTasks>, mut request: Request) -> Answer {
    let note = schema::read(request.body(Rules::STRICT).await?, read)?;
    let id = request.parameter("id").to_owned();
    let task = tasks::annotate(caller.actor(), id, note.content, note.expected_count).await;
    Response::data(StatusCode::OK, &task.map_err(faults::annotation)?)
}

fn read(body: &mut Object<'_>) -> Note {
    Note {
        content: body.string("content", Text::any(LONGEST)),
        expected_count: body
            .optional_count("expected_notes_count", Whole::between(0, u32::MAX.into())),
    }
}

//! `PATCH /api/agent/tasks/{id}/status`: how far the agent has come with its task.

use web::{
    Answer, Problem, Request, Response, StatusCode,
    body::Rules,
    contract::{Task, choices::Choice as _},
    openapi::Operation,
    schema::{self, Object, Text},
};

use super::ended;
use crate::{
    bindings::myrmidon::domain::task_queue::{self, ReportedOutcome, StatusReport, Transition},
    caller::Device,
    faults,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Report how far a task is")
        .body(Rules::LENIENT, accepted)
        .answers::<Task>(200)
        .answers_plainly::<ended::Unchanged<'_>>(200)
        .refuses(&[403, 404, 409])
}

pub(crate) async fn report(device: Device, mut request: Request) -> Answer {
    let status_report = match read(&mut request).await {
        Ok(status_report) => status_report,
        Err(problem) => return Err(device.refuse(problem).await),
    };
    let id = request.parameter("id").to_owned();
    let reported = task_queue::report_status(device.credentials(), id, status_report)
        .await
        .map_err(faults::turned_away)?;
    match answer(&reported.outcome) {
        Ok(response) => Ok(response.with_budget(&reported.budget)),
        Err(problem) => Err(problem.counted(reported.budget)),
    }
}

async fn read(request: &mut Request) -> Result<StatusReport, Problem> {
    let body = request.body(Rules::LENIENT).await?;
    schema::read(body, accepted)
}

fn accepted(body: &mut Object<'_>) -> StatusReport {
    body.forget_nulls_except(&[]);
    StatusReport {
        status: body.choice("status"),
        error: body.optional_string("error", Text::note(64 * 1024)),
    }
}

fn answer(outcome: &ReportedOutcome) -> Answer {
    match outcome {
        ReportedOutcome::Recorded(task) => Response::data(StatusCode::OK, task),
        ReportedOutcome::AlreadyEnded(task) => ended::already(task),
        // Anything but a 2xx makes the agent stop (D-41).
        ReportedOutcome::Stopped(_) => Err(Problem::conflict("Task is no longer active")),
        ReportedOutcome::UnknownTask => Err(Problem::not_found("Task not found")),
        ReportedOutcome::ForeignTask => Err(Problem::forbidden("Agent does not own this task")),
        ReportedOutcome::InvalidTransition(Transition { from, to }) => Err(Problem::bad_request(
            format!("Invalid state transition: {} -> {}", from.word(), to.word()),
        )),
    }
}

//! `POST /api/agent/tasks/{id}/result`: what came of a task.
//!
//! Agents queue results and repeat them until they are answered with 2xx, 400 or 404; any other
//! answer would block their queue (D-68).

use web::{
    Answer, Problem, Request, Response, StatusCode,
    body::Rules,
    contract::{Json, Task, choices::Choice as _},
    openapi::Operation,
    schema,
};

use super::{ended, result_body};
use crate::{
    bindings::myrmidon::domain::task_queue::{self, ReportedOutcome, ResultReport},
    caller::Device,
    faults,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Report what came of a task")
        .body(Rules::RESULT, result_body::schema)
        .answers::<Task>(200)
        .answers_plainly::<ended::Unchanged<'_>>(200)
        .refuses(&[404])
}

pub(crate) async fn report(device: Device, mut request: Request) -> Answer {
    let result_report = match read(&mut request).await {
        Ok(result_report) => result_report,
        Err(problem) => return Err(device.refuse_result(problem).await),
    };
    let id = request.parameter("id").to_owned();
    let reported = task_queue::report_result(device.credentials(), id, result_report)
        .await
        .map_err(faults::turned_away)?;
    match answer(&reported.outcome) {
        Ok(response) => Ok(response.with_budget(&reported.budget)),
        Err(problem) => Err(problem.counted(reported.budget)),
    }
}

async fn read(request: &mut Request) -> Result<ResultReport, Problem> {
    let body = schema::read(request.body(Rules::RESULT).await?, result_body::schema)?;
    let text = serde_json::to_string(&body).map_err(|it| Problem::Unpresentable(it.to_string()))?;
    Ok(ResultReport { exit_code: body.exit_code, body: Json { text } })
}

fn answer(outcome: &ReportedOutcome) -> Answer {
    match outcome {
        ReportedOutcome::Recorded(task) => Response::data(StatusCode::OK, task),
        ReportedOutcome::AlreadyEnded(task) | ReportedOutcome::Stopped(task) => {
            ended::already(task)
        }
        ReportedOutcome::UnknownTask | ReportedOutcome::ForeignTask => {
            Err(Problem::not_found("Task not found"))
        }
        ReportedOutcome::InvalidTransition(transition) => {
            let from = transition.from.word();
            Err(Problem::bad_request(format!("Cannot submit result for task in status: {from}")))
        }
    }
}

//! `GET /api/agent/tasks`: the next task, if there is one.

use web::{Answer, Request, Response, StatusCode, contract::Task, openapi::Operation};

use crate::{bindings::myrmidon::domain::task_queue, caller::Device, faults};

pub(crate) fn describe() -> Operation {
    Operation::new("Take the next task").answers::<Task>(200).answers_empty(204)
}

pub(crate) async fn next(device: Device, _: Request) -> Answer {
    let polled = task_queue::next(&device.credentials()).map_err(faults::turned_away)?;
    let response = match &polled.task {
        Some(task) => Response::data(StatusCode::OK, task)?,
        None => Response::empty(StatusCode::NO_CONTENT),
    };
    Ok(response.with_budget(&polled.budget))
}

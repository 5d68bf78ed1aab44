//! `PATCH /api/agent/admin/schedules/{id}`: what the body does not name stays.

use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::Json,
    openapi::Operation,
    schema::{self, Object},
};

use super::{body, shown::Shown, timing, words::Wish};
use crate::{
    bindings::myrmidon::domain::schedules::{self, ScheduleChange, ScheduleStatus},
    caller::Caller,
    faults::schedules::schedule as refused,
    permission::WriteSchedules,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Change a schedule")
        .body(Rules::STRICT, read)
        .answers::<Shown>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn change(caller: Caller<WriteSchedules>, mut request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    let change = schema::read(request.body(Rules::STRICT).await?, read)?;
    let changed = schedules::change_schedule(caller.actor(), id, change).await.map_err(refused)?;
    Response::data(StatusCode::OK, &Shown::from(changed))
}

fn read(body: &mut Object<'_>) -> ScheduleChange {
    let name = body.optional_string("name", body::NAME);
    let agent_ids = body.optional_strings("agent_ids", body::agents(None), body::AGENT);
    let config = body.optional_object("schedule_config", |it| timing::config(it, None));
    let timezone = body.optional_string("timezone", body::ZONE);
    let status = body.optional_choice::<Wish>("status").map(|it| match it {
        Wish::Active => ScheduleStatus::Active,
        Wish::Paused => ScheduleStatus::Paused,
    });
    let priority = body::priority(body);
    let execution_timeout = body::execution_timeout(body);
    let (missed_run_policy, missed_run_window_seconds) = body::missed_runs(body);
    ScheduleChange {
        name,
        agent_ids,
        schedule_config: config.map(|text| Json { text }),
        timezone,
        status,
        priority,
        execution_timeout,
        missed_run_policy,
        missed_run_window_seconds,
        blackout_windows: timing::windows(body).map(|text| Json { text }),
    }
}

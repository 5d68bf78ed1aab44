//! `/api/agent/admin/settings/auto-rotation`: whether keys that grow old are replaced, and when (fleet.md §7.3).

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    openapi::Operation,
    schema::{self, Object, Whole},
};

use crate::{
    bindings::myrmidon::domain::organization::{self, AutoRotation},
    caller::Caller,
    permission::WriteAgents,
};

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    enabled: bool,
    interval_days: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Tell whether keys are replaced by age").answers::<Shown>(200)
}

pub(crate) async fn show(caller: Caller<WriteAgents>, _: Request) -> Answer {
    answer(organization::find_auto_rotation(caller.actor()).await?)
}

pub(crate) fn describe_update() -> Operation {
    Operation::new("Set whether keys are replaced by age")
        .body(Rules::STRICT, read)
        .answers::<Shown>(200)
}

pub(crate) async fn update(caller: Caller<WriteAgents>, mut request: Request) -> Answer {
    let settings = schema::read(request.body(Rules::STRICT).await?, read)?;
    organization::record_auto_rotation(caller.actor(), settings).await?;
    answer(settings)
}

fn read(body: &mut Object<'_>) -> AutoRotation {
    AutoRotation {
        enabled: body.boolean("enabled"),
        interval_days: body.count("intervalDays", Whole::between(30, 365)),
    }
}

fn answer(it: AutoRotation) -> Answer {
    let shown = Shown { enabled: it.enabled, interval_days: it.interval_days };
    Response::data(StatusCode::OK, &shown)
}

//! `POST /api/agent/admin/approvals/{id}/approve`: let it happen. Not for whoever asked for it. With
//! `?dry_run=true` only whom it would hit.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use super::{Shown, shape};
use crate::{
    bindings::myrmidon::domain::approvals,
    caller::Caller,
    faults,
    permission::ReadTasks,
    routes::tasks::created::{DryRun, Rehearsed, Skipped, is_dry_run},
};

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
enum Answered {
    Rehearsed(Rehearsed),
    Approved(Approved),
}

#[derive(JsonSchema, Serialize)]
struct Approved {
    #[serde(flatten)]
    approval: Shown,
    /// Agents that are gone since, and so got nothing.
    skipped: Vec<Skipped>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Approve what another person asked for, or see whom it would hit")
        .query_word::<DryRun>("dry_run")
        .answers::<Answered>(200)
        .refuses(&[404, 409])
}

pub(crate) async fn approve(caller: Caller<ReadTasks>, request: Request) -> Answer {
    let id = request.parameter("id").to_owned();
    let dry_run = is_dry_run(&request)?;
    shape::require_same(&caller, &id).await?;
    let answered = if dry_run {
        let run = approvals::rehearse_approval(caller.actor(), id).await;
        Answered::Rehearsed(run.map_err(faults::decision)?.into())
    } else {
        let done = approvals::approve(caller.actor(), id).await.map_err(faults::decision)?;
        let skipped = done.skipped.into_iter().map(Into::into).collect();
        Answered::Approved(Approved { approval: done.approval.into(), skipped })
    };
    Response::data(StatusCode::OK, &answered)
}

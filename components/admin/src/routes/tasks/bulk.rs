//! `POST /api/agent/admin/tasks/bulk`: cancel or delete many tasks at once, each for itself.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::{TaskStatus, choices::Choice},
    openapi::Operation,
    schema::{self, Length, Object, Text},
};

use crate::{
    bindings::myrmidon::domain::{
        identity::Permission,
        tasks::{self, BulkAction, BulkSkip, LeftAlone},
    },
    caller::Caller,
    permission::CancelTasks,
};

impl Choice for BulkAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("cancel", Self::Cancel), ("delete", Self::Delete)];

    fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Delete => "delete",
        }
    }
}

struct Order {
    task_ids: Vec<String>,
    action: BulkAction,
}

#[derive(JsonSchema, Serialize)]
struct Changed {
    updated: Vec<String>,
    skipped: Vec<Skipped>,
}

#[derive(JsonSchema, Serialize)]
struct Skipped {
    task_id: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<TaskStatus>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Cancel or delete many tasks").body(Rules::STRICT, read).answers::<Changed>(200)
}

/// Whoever deletes must be permitted to do that, too.
pub(crate) async fn change(caller: Caller<CancelTasks>, mut request: Request) -> Answer {
    let order = schema::read(request.body(Rules::STRICT).await?, read)?;
    if order.action == BulkAction::Delete {
        caller.require(Permission::EndpointsTasksDelete)?;
    }
    let outcome = tasks::change_many(caller.actor(), order.task_ids, order.action).await?;
    let skipped = outcome.skipped.into_iter().map(Skipped::from).collect();
    Response::data(StatusCode::OK, &Changed { updated: outcome.updated, skipped })
}

fn read(body: &mut Object<'_>) -> Order {
    let length = Length { empty: Some("At least one task_id is required"), most: 1000 };
    Order {
        task_ids: body.strings("task_ids", length, Text::any(255)),
        action: body.choice("action"),
    }
}

impl From<BulkSkip> for Skipped {
    fn from(it: BulkSkip) -> Self {
        let (reason, status) = match it.reason {
            LeftAlone::NotFound => ("not_found", None),
            LeftAlone::AlreadyEnded(status) => ("already_ended", Some(status)),
        };
        Self { task_id: it.task_id, reason, status }
    }
}

//! `POST /api/agent/admin/catalog/reload`: read the test library anew.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

use crate::{bindings::myrmidon::domain::catalog, caller::Caller, permission::SyncTests};

/// The size stands beside `success`, as clients know it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reloaded {
    success: bool,
    catalog_size: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Read the test library anew").answers_plainly::<Reloaded>(200)
}

pub(crate) async fn reload(caller: Caller<SyncTests>, _: Request) -> Answer {
    let catalog_size = catalog::reload(caller.actor()).await?;
    Response::json(StatusCode::OK, &Reloaded { success: true, catalog_size })
}

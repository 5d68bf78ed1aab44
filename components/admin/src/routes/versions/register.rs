//! `POST /api/agent/admin/versions`: refused. A server that opens paths it is told would hand any
//! of its files to anybody (D-18).

use web::{Answer, Problem, Request, openapi::Operation};

use crate::{caller::Caller, permission::CreateVersions};

pub(crate) fn describe() -> Operation {
    Operation::new("Register a path of the server: refused").refuses(&[400])
}

pub(crate) async fn register(_: Caller<CreateVersions>, _: Request) -> Answer {
    Err(Problem::bad_request("Registering a server path is not supported: upload the binary"))
}

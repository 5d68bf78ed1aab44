//! `GET /api/capabilities`: what this server can do; the console shows and hides features by it.

use schemars::JsonSchema;
use serde::Serialize;
use web::{Answer, Request, Response, StatusCode, openapi::Operation};

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the documented shape")]
struct Capabilities {
    build: bool,
    build_upload: bool,
    cert_generate: bool,
    cert_upload: bool,
    git_sync: bool,
    agent_build: bool,
    cli_login: bool,
    local_accounts: bool,
    invitations: bool,
    api_keys: bool,
    audit: bool,
    approvals: bool,
    schedules: bool,
    platform: &'static str,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Tell what this server can do").answers_plainly::<Capabilities>(200)
}

pub(crate) async fn show(_: Request) -> Answer {
    let capabilities = Capabilities {
        build: false,
        build_upload: true,
        cert_generate: false,
        cert_upload: false,
        git_sync: false,
        agent_build: false,
        cli_login: true,
        local_accounts: true,
        invitations: true,
        api_keys: true,
        audit: true,
        approvals: true,
        schedules: true,
        platform: "spin",
    };
    Response::json(StatusCode::OK, &capabilities)
}

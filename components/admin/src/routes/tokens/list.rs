//! `GET /api/agent/admin/tokens`: the tokens that can still enroll somebody. Never the secrets.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Page, Request, Response, StatusCode,
    contract::{Json, Timestamp},
    openapi::Operation,
};

use crate::{
    bindings::myrmidon::domain::enrollment_tokens::{self, Token},
    caller::Caller,
    permission::CreateTokens,
};

#[derive(JsonSchema, Serialize)]
struct Shown {
    id: String,
    org_id: String,
    token: &'static str,
    expires_at: Timestamp,
    max_uses: u32,
    use_count: u32,
    metadata: Json,
    created_at: Timestamp,
    created_by: String,
}

impl From<Token> for Shown {
    fn from(it: Token) -> Self {
        Self {
            id: it.id,
            org_id: it.org_id,
            token: "***",
            expires_at: it.expires_at,
            max_uses: it.max_uses,
            use_count: it.use_count,
            metadata: it.metadata,
            created_at: it.created_at,
            created_by: it.created_by,
        }
    }
}

pub(crate) fn describe() -> Operation {
    Operation::new("List the tokens that can still enroll somebody")
        .query(|query| query.page(Page::LARGEST))
        .answers::<Vec<Shown>>(200)
}

pub(crate) async fn list(caller: Caller<CreateTokens>, request: Request) -> Answer {
    let page = request.query()?.page(Page::LARGEST)?;
    let tokens = enrollment_tokens::list_active(caller.actor(), page.limit, page.offset).await?;
    let shown: Vec<Shown> = tokens.into_iter().map(Shown::from).collect();
    Response::data(StatusCode::OK, &shown)
}

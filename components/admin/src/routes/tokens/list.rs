//! `GET /api/agent/admin/tokens`: the tokens that can still enroll somebody. Never the secrets.
//! `data` stays the array that clients know.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Page, Problem, Query, Request, Response, StatusCode,
    contract::{Json, Timestamp},
    cursor,
    openapi::Operation,
};

use crate::{
    bindings::myrmidon::domain::enrollment_tokens::{self, Token, TokenPosition},
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

#[derive(JsonSchema, Serialize)]
struct Listed {
    success: bool,
    data: Vec<Shown>,
    total: u64,
    next_cursor: Option<String>,
}

pub(crate) fn describe() -> Operation {
    Operation::new("List the tokens that can still enroll somebody")
        .query(part)
        .answers_plainly::<Listed>(200)
}

pub(crate) async fn list(caller: Caller<CreateTokens>, request: Request) -> Answer {
    let (page, after) = part(&request.query()?)?;
    let found =
        enrollment_tokens::list_active(caller.actor(), page.limit, page.offset, after).await?;
    let next = found.next.map(|it| cursor::encode(&(it.created_at.unix_ms, it.id)));
    let listed = Listed {
        success: true,
        data: found.tokens.into_iter().map(Shown::from).collect(),
        total: found.total,
        next_cursor: next.transpose()?,
    };
    Response::json(StatusCode::OK, &listed)
}

/// A page, or what is behind a token.
fn part(query: &Query) -> Result<(Page, Option<TokenPosition>), Problem> {
    let page = query.page(Page::LARGEST)?;
    let after = query.cursor::<(i64, String)>()?;
    let position = |(unix_ms, id)| TokenPosition { created_at: Timestamp { unix_ms }, id };
    Ok((page, after.map(position)))
}

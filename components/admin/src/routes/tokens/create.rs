//! `POST /api/agent/admin/tokens`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use web::{
    Answer, Request, Response, StatusCode,
    body::Rules,
    contract::{Json, Timestamp},
    openapi::Operation,
    schema::{self, Object, Text, Whole},
};

use crate::{
    bindings::myrmidon::domain::enrollment_tokens::{self, NewToken},
    caller::Caller,
    permission::CreateTokens,
};

#[derive(JsonSchema, Serialize)]
struct Minted {
    token: String,
    id: String,
    expires_at: Timestamp,
    max_uses: u32,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Mint an enrollment token").body(Rules::STRICT, read).answers::<Minted>(201)
}

pub(crate) async fn create(caller: Caller<CreateTokens>, mut request: Request) -> Answer {
    let (org_id, token) = schema::read(request.body(Rules::STRICT).await?, read)?;
    caller.require_org(&org_id)?;
    let it = enrollment_tokens::mint(caller.actor(), token).await?;
    let minted =
        Minted { token: it.token, id: it.id, expires_at: it.expires_at, max_uses: it.max_uses };
    Response::data(StatusCode::CREATED, &minted)
}

fn read(body: &mut Object<'_>) -> (String, NewToken) {
    let org_id = body.string("org_id", Text::required(255, "org_id is required"));
    let token = NewToken {
        ttl_hours: body.optional_count("ttl_hours", Whole::between(1, 720)).unwrap_or(24),
        max_uses: body.optional_count("max_uses", Whole::between(1, 1000)).unwrap_or(1),
        metadata: Json { text: Value::Object(body.string_map("metadata")).to_string() },
    };
    if token.metadata.text.len() > METADATA_LIMIT {
        body.issue(
            "metadata",
            format!("Too big: expected record to have <={METADATA_LIMIT} bytes"),
        );
    }
    (org_id, token)
}

const METADATA_LIMIT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use web::Problem;

    use super::*;

    #[test]
    fn all_issues_are_told_at_once() {
        let body = json!({"org_id": "o", "ttl_hours": 721, "max_uses": 0, "metadata": {"env": 1}});
        let Err(Problem::Invalid(issues)) = schema::read(body, read) else { panic!("accepted") };
        let paths: Vec<_> = issues.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["ttl_hours", "max_uses", "metadata.env"]);
    }

    #[test]
    fn a_token_lives_a_day_and_works_once_by_default() {
        let (_, token) = schema::read(json!({"org_id": "o"}), read).unwrap();
        assert_eq!((token.ttl_hours, token.max_uses, token.metadata.text.as_str()), (24, 1, "{}"));
    }

    #[test]
    fn metadata_has_a_limit() {
        let body = json!({"org_id": "o", "metadata": {"note": "x".repeat(METADATA_LIMIT)}});
        assert!(schema::read(body, read).is_err());
    }
}

//! `POST /api/api-keys`. The key is in the answer, once.

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Answer, Problem, Request, Response, StatusCode,
    body::Rules,
    contract::{KeyScope, Role, Timestamp},
    instant,
    openapi::Operation,
    schema::{self, Object, Text, Whole},
};

use super::Shown;
use crate::{
    bindings::myrmidon::domain::api_keys::{self, Life},
    caller::Caller,
    permission::ManageUsers,
};

#[derive(JsonSchema, Serialize)]
struct Minted {
    #[serde(flatten)]
    shown: Shown,
    key: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Mint an API key").body(Rules::STRICT, read).answers::<Minted>(201)
}

pub(crate) async fn create(caller: Caller<ManageUsers>, mut request: Request) -> Answer {
    let (name, scope, life) = schema::read(request.body(Rules::STRICT).await?, read)?;
    let minted = api_keys::mint(caller.actor(), name, scope, life).await?;
    let past = || Problem::invalid("expires_at", "Invalid input: expected a time in the future");
    let minted = minted.ok_or_else(past)?;
    let shown = Minted { shown: minted.key.into(), key: minted.secret };
    Response::data(StatusCode::CREATED, &shown)
}

fn read(body: &mut Object<'_>) -> (String, KeyScope, Life) {
    body.forget_nulls_except(&[]);
    let name = body.string("name", Text::filled(100));
    // Both specifications name it; a role is the plainer word for some of the same.
    let role = body.optional_choice::<Role>("role");
    if role.is_some() && body.optional_choice::<KeyScope>("scope").is_some() {
        body.issue("scope", "Invalid input: expected a scope or a role, received both");
    }
    let scope = match role {
        None => body.choice("scope"),
        Some(Role::Operator) => KeyScope::ReadWrite,
        Some(Role::Analyst) => KeyScope::Analyst,
        Some(Role::Explorer) => KeyScope::Explorer,
        Some(Role::Admin) => {
            body.issue("role", "Invalid option: a key never administers");
            KeyScope::Explorer
        }
    };
    let until = body.optional_string("expires_at", Text::any(40));
    let days = body.optional_count("expires_in_days", Whole::between(1, 3650));
    if until.is_some() && days.is_some() {
        body.issue(
            "expires_at",
            "Invalid input: expected a time or a number of days, received both",
        );
    }
    let life = match (until, days) {
        (None, None) => Life::Endless,
        (None, Some(days)) => Life::Days(days),
        (Some(text), _) => {
            let at = instant::parse(&text).filter(|_| text.ends_with('Z'));
            if at.is_none() {
                body.issue("expires_at", "Invalid ISO datetime");
            }
            at.map_or(Life::Endless, |unix_ms| Life::Until(Timestamp { unix_ms }))
        }
    };
    (name, scope, life)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn refused(body: Value, expected: &[&str]) {
        let Err(Problem::Invalid(issues)) = schema::read(body, read) else { panic!("accepted") };
        let paths: Vec<_> = issues.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_key_is_asked_for_by_scope_or_by_role() {
        let (_, scope, life) = schema::read(json!({"name": "ci", "scope": "read"}), read).unwrap();
        assert!(scope == KeyScope::Read && matches!(life, Life::Endless));
        let body = json!({"name": "ci", "role": "operator", "expires_in_days": 30});
        let (_, scope, life) = schema::read(body, read).unwrap();
        assert!(scope == KeyScope::ReadWrite && matches!(life, Life::Days(30)));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        refused(json!({"name": "", "scope": "admin"}), &["name", "scope"]);
        refused(json!({"name": "x", "role": "admin"}), &["role"]);
        refused(json!({"name": "x"}), &["scope"]);
        refused(json!({"name": "x", "scope": "read", "role": "analyst"}), &["scope"]);
        let both = json!({"name": "x", "scope": "read", "expires_in_days": 1, "expires_at": "2999-01-01T00:00:00Z"});
        refused(both, &["expires_at"]);
        let offset =
            json!({"name": "x", "scope": "read", "expires_at": "2027-01-01T00:00:00+01:00"});
        refused(offset, &["expires_at"]);
        refused(json!({"name": "x", "scope": "read", "expires_in_days": 0}), &["expires_in_days"]);
    }
}

//! How an account looks: to the console, which knows it from an identity provider, and to the rest.

use schemars::JsonSchema;
use serde::Serialize;
use web::contract::{Account, Role, Timestamp};

/// As the console and the CLI know people.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    id: String,
    first_name: String,
    last_name: String,
    email: String,
    image_url: &'static str,
    role: Option<Role>,
    /// Milliseconds.
    last_active_at: Option<i64>,
    created_at: i64,
    name: String,
    status: &'static str,
}

/// As platform.md lists people.
#[derive(JsonSchema, Serialize)]
pub(super) struct Brief {
    id: String,
    email: String,
    name: String,
    role: Option<Role>,
    created_at: Timestamp,
}

impl From<&Account> for Person {
    fn from(it: &Account) -> Self {
        let (first, last) = it.name.split_once(' ').unwrap_or((it.name.as_str(), ""));
        Self {
            id: it.id.clone(),
            first_name: first.to_owned(),
            last_name: last.trim().to_owned(),
            email: it.email.clone(),
            image_url: "",
            role: it.role,
            last_active_at: it.last_active_at.map(|it| it.unix_ms),
            created_at: it.created_at.unix_ms,
            name: it.name.clone(),
            status: if it.active { "active" } else { "disabled" },
        }
    }
}

impl From<&Account> for Brief {
    fn from(it: &Account) -> Self {
        Self {
            id: it.id.clone(),
            email: it.email.clone(),
            name: it.name.clone(),
            role: it.role,
            created_at: it.created_at,
        }
    }
}

//! `/api/api-keys`: keys of machines that act for the organisation (console.md §5.1).

mod create;
mod list;
mod revoke;

use schemars::JsonSchema;
use serde::Serialize;
use web::{
    Routes,
    contract::{KeyScope, Timestamp},
};

use crate::bindings::myrmidon::domain::api_keys::ApiKey;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .post("/api/api-keys", create::create)
        .described(create::describe)
        .get("/api/api-keys", list::list)
        .described(list::describe)
        .delete("/api/api-keys/{id}", revoke::revoke)
        .described(revoke::describe)
}

#[derive(JsonSchema, Serialize)]
struct Shown {
    id: String,
    name: String,
    key_prefix: String,
    scope: KeyScope,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for Shown {
    fn from(it: ApiKey) -> Self {
        Self {
            id: it.id,
            name: it.name,
            key_prefix: it.prefix,
            scope: it.scope,
            created_at: it.created_at,
            expires_at: it.expires_at,
            last_used_at: it.last_used_at,
            revoked_at: it.revoked_at,
        }
    }
}

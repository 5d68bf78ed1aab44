//! `/api/users/invitations`: who may make an account. There is no mail: the secret is in the answer
//! once, and whoever invites passes it on.

pub(super) mod create;
pub(super) mod list;
pub(super) mod revoke;

use schemars::JsonSchema;
use serde::Serialize;
use web::contract::Role;

use crate::bindings::myrmidon::domain::users::Invitation;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    email_address: String,
    role: Role,
    status: &'static str,
    /// Milliseconds.
    created_at: i64,
    expires_at: i64,
}

impl From<Invitation> for Shown {
    fn from(it: Invitation) -> Self {
        Self {
            id: it.id,
            email_address: it.email,
            role: it.role,
            status: "pending",
            created_at: it.created_at.unix_ms,
            expires_at: it.expires_at.unix_ms,
        }
    }
}

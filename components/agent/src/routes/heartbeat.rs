//! `/api/agent/heartbeat`.

mod body;
pub(crate) mod record;

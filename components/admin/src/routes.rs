//! What people may ask for: a folder per resource, a file per route.

pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod builds;
pub(crate) mod catalog;
pub(crate) mod demands;
pub(crate) mod ingestion;
pub(crate) mod metrics;
pub(crate) mod schedules;
pub(crate) mod settings;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod versions;

//! What agents may ask for, a file per route.

pub(crate) mod binary;
pub(crate) mod heartbeat;
pub(crate) mod tasks;
pub(crate) mod update;
pub(crate) mod version;

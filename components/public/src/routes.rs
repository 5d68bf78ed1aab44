//! What strangers may ask for, a file per route.

pub(crate) mod capabilities;
pub(crate) mod config;
pub(crate) mod download;
pub(crate) mod enroll;
pub(crate) mod health;
pub(crate) mod openapi;
pub(crate) mod readiness;

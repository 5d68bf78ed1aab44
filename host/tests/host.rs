//! The host as its users see it: manifests in, answers out. The guests are real
//! components, built on the way.

#![expect(clippy::unwrap_used, reason = "in a test, a failure may end it")]

#[path = "host/support.rs"]
mod support;

#[path = "host/data.rs"]
mod data;
#[path = "host/dependencies.rs"]
mod dependencies;
#[path = "host/faults.rs"]
mod faults;
#[path = "host/limits.rs"]
mod limits;
#[path = "host/outbound.rs"]
mod outbound;
#[path = "host/requests.rs"]
mod requests;
#[path = "host/server.rs"]
mod server;
#[path = "host/start.rs"]
mod start;

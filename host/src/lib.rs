//! Runs Spin HTTP applications on wasmtime, in process.
//!
//! [`Application::load`] reads a `spin.toml` of manifest version 2 and does with
//! it what `spin up` does; [`Application::handle`] answers a request without a
//! port, [`Application::serve`] with one. It behaves as Spin 4.1 where Spin
//! defines the behaviour, and refuses at load what it leaves out: other triggers
//! than http, models, downloads, labels other than `default`, WASI 0.2 HTTP.
//!
//! It knows nothing of the application it runs.

mod access_log;
mod application;
mod bindings;
mod blocking;
pub mod body;
mod build;
mod cache;
mod clock;
mod compose;
mod denied;
mod dotenv;
mod engine;
mod fault;
mod files;
mod headers;
mod instance;
mod key_value;
mod load;
pub mod manifest;
mod options;
mod outbound;
mod prefetch;
mod routes;
mod server;
mod sources;
mod sqlite;
mod state;
mod template;
mod variables;

pub use application::Application;
pub use body::Body;
pub use build::{BuildError, build};
pub use compose::Error as ComposeError;
pub use fault::{Cause, Fault, LoadError};
pub use manifest::Manifest;
pub use options::{Cache, Log, Options, Progress, ProgressFn};
pub use outbound::{AllowedHost, AllowedHostError};
pub use routes::{RouteError, Router};

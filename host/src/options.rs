//! How an application is run: what its manifest does not say.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// The defaults are Spin's where Spin has one, and bounded where it has none.
#[derive(Clone)]
pub struct Options {
    /// Where databases live. Default: `.spin` beside the manifest, as Spin.
    pub state_dir: Option<PathBuf>,
    pub cache: Cache,
    /// Values of application variables, as of `--variable`. These win.
    pub variables: BTreeMap<String, String>,
    /// The process environment, of which `SPIN_VARIABLE_…` is looked at.
    /// Default: the environment at the time of [`Options::default`].
    pub environment: BTreeMap<String, String>,
    /// Default: `.env` beside the manifest, if there is one.
    pub env_file: Option<PathBuf>,
    /// Past so many requests in flight, the answer is 503.
    pub max_in_flight: usize,
    /// Until the head of the answer; what arrives of the request's body gives this
    /// time anew. Then 500; the instance takes no more requests, and ends at the latest so
    /// long after its last is answered or given up. A statement runs no longer, either.
    pub request_timeout: Duration,
    /// Until the head of the answer, whatever arrives.
    pub request_ceiling: Duration,
    /// For what a guest still does after the head of its answer, streaming too.
    pub background_timeout: Duration,
    /// Bytes of linear memory per instance, all of its modules together.
    pub memory_limit: usize,
    /// Requests an instance serves in its life.
    pub max_instance_reuse: usize,
    /// Requests an instance serves at once.
    pub max_instance_concurrency: usize,
    /// How long an instance without work is kept.
    pub instance_idle: Duration,
    /// Bytes of a request's head. More is 431, or 414.
    pub max_header_bytes: usize,
    /// Bytes of a request's body. More is 413, or an error to the guest that
    /// reads a body of undeclared length. Default: no limit, as Spin.
    pub max_body_bytes: Option<u64>,
    /// For a connection to send a request's head, its idle time included.
    pub header_timeout: Duration,
    /// For a client that takes nothing of an answer. Then its connection ends.
    pub write_timeout: Duration,
    /// For requests in flight to end, once the server is told to stop.
    pub drain_timeout: Duration,
    pub log: Log,
    /// Called before a component is compiled, which takes seconds.
    pub progress: Option<ProgressFn>,
}

/// Told of each component that is compiled, on the thread that loads.
pub type ProgressFn = Arc<dyn Fn(&Progress<'_>) + Send + Sync>;

/// "compiling agent (2/5)"
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    pub component: &'a str,
    /// From 1.
    pub index: usize,
    pub total: usize,
}

/// Where compiled components are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cache {
    /// `cache` in the state directory.
    InState,
    Directory(PathBuf),
    /// Whatever is there is used, nothing is added.
    ReadOnly(PathBuf),
    Off,
}

/// One line per request, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Json,
    Text,
    Off,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_dir: None,
            cache: Cache::InState,
            variables: BTreeMap::new(),
            environment: process_environment(),
            env_file: None,
            max_in_flight: 512,
            request_timeout: Duration::from_mins(1),
            request_ceiling: Duration::from_hours(1),
            background_timeout: Duration::from_hours(1),
            memory_limit: 256 << 20,
            max_instance_reuse: 128,
            max_instance_concurrency: 16,
            instance_idle: Duration::from_secs(1),
            max_header_bytes: 128 << 10,
            max_body_bytes: None,
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(20),
            log: Log::Text,
            progress: None,
        }
    }
}

/// What is not UTF-8 is not for us.
fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

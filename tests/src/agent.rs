//! A simulated agent, written from the description of the real one (fleet.md §8): what it sends,
//! in which order, what it makes of answers, what it keeps, and where it is stubborn.
//!
//! It waits for nothing: pauses are a hook. What a test binary or a command does is a closure.

mod disk;
mod heartbeat;
mod link;
mod results;
mod tasks;
mod update;

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};

pub use disk::{Disk, Identity};
pub use heartbeat::{Gap, Heard};
pub use link::{Moment, Verdict, When};
pub use results::Submitted;
pub use tasks::{Job, Outcome, Work};
pub use update::{Update, UpdateError, precedes};

use crate::{Request, Server, server::Unreachable};

/// The computer an agent lives on.
#[derive(Debug, Clone)]
pub struct Machine {
    pub hostname: String,
    pub os: String,
    pub arch: String,
    /// Of the agent's program.
    pub version: String,
    /// Where its requests come from, in process.
    pub address: IpAddr,
    /// How far its clock is ahead.
    pub clock_skew: jiff::SignedDuration,
    /// What the operating system measures.
    pub system: Value,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            hostname: "ws-0417".into(),
            os: "linux".into(),
            arch: "amd64".into(),
            version: "0.6.2".into(),
            address: [203, 0, 113, 7].into(),
            clock_skew: jiff::SignedDuration::ZERO,
            system: json!({
                "uptime_seconds": 91_234, "cpu_percent": 7, "memory_mb": 6120, "total_memory_mb": 16_256,
                "disk_free_mb": 81_234, "process_cpu_percent": 0, "process_memory_mb": 21,
            }),
        }
    }
}

impl Machine {
    pub fn of(os: &str, arch: &str) -> Self {
        Self { os: os.into(), arch: arch.into(), ..Self::default() }
    }
}

type Pause = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;
type Watch = Arc<dyn Fn(Moment) -> BoxFuture<'static, Verdict> + Send + Sync>;
type Runner = Arc<dyn Fn(Job) -> Outcome + Send + Sync>;

/// One running process of the agent. What survives it is on its [`Disk`].
#[derive(Clone)]
pub struct Agent {
    pub machine: Machine,
    /// What it calls itself and proves itself with now. The disk may lag behind.
    pub identity: Identity,
    pub disk: Disk,
    /// Heartbeats that failed since the last that did not.
    pub failures: u32,
    pub last_task_completed: Option<String>,
    /// Why the process has ended, if it has.
    pub ended: Option<Ended>,
    current_task: Option<String>,
    server: Server,
    pause: Pause,
    watch: Watch,
    runner: Runner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// To be started again by the service manager, as another version.
    Updated,
    Uninstalled,
}

/// Why a machine did not become an agent (§8.3).
#[derive(Debug, thiserror::Error)]
pub enum NotEnrolled {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("invalid token")]
    InvalidToken,
    #[error("token expired or already used")]
    TokenSpent,
    #[error("the server said: {0}")]
    Refused(String),
    #[error("server returned insecure URL {0}")]
    InsecureUrl(String),
    #[error("an answer that is none: {0}")]
    Undecodable(String),
}

impl Agent {
    /// Trades a token for an identity and keeps it (§8.3).
    pub async fn enroll(
        server: &Server,
        machine: Machine,
        token: &str,
    ) -> Result<Self, NotEnrolled> {
        let body = json!({
            "token": token, "hostname": machine.hostname, "os": machine.os, "arch": machine.arch,
            "agent_version": machine.version,
        });
        let request = Request::new(server, Method::POST, "/api/agent/enroll")
            .from(machine.address)
            .json(&body);
        let answer = request.try_send().await?;
        match answer.status.as_u16() {
            200 | 201 => {}
            401 => return Err(NotEnrolled::InvalidToken),
            410 => return Err(NotEnrolled::TokenSpent),
            status => return Err(NotEnrolled::Refused(format!("{status} {}", answer.text()))),
        }
        let undecodable = |error: serde_json::Error| NotEnrolled::Undecodable(error.to_string());
        let mut body: Value = serde_json::from_slice(&answer.body).map_err(undecodable)?;
        if body["success"] != true {
            return Err(NotEnrolled::Refused(body["error"].to_string()));
        }
        let identity: Identity =
            serde_json::from_value(body["data"].take()).map_err(undecodable)?;
        if !may_be_called(&identity.server_url) {
            return Err(NotEnrolled::InsecureUrl(identity.server_url));
        }
        Ok(Self::start(server, machine, Disk::of(identity)))
    }

    /// Starts a process on a disk that holds an identity.
    pub fn start(server: &Server, machine: Machine, disk: Disk) -> Self {
        Self {
            machine,
            identity: disk.identity(),
            disk,
            failures: 0,
            last_task_completed: None,
            ended: None,
            current_task: None,
            server: server.clone(),
            pause: Arc::new(|_| Box::pin(tokio::task::yield_now())),
            watch: Arc::new(|_| Box::pin(async { Verdict::Pass })),
            runner: Arc::new(|job| Outcome::of(0, &format!("ran {}", job.name()))),
        }
    }

    /// The process ends and starts again: only what is on disk is left.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let mut agent = Self::start(&self.server, self.machine.clone(), self.disk.clone());
        agent.pause = self.pause.clone();
        agent.watch = self.watch.clone();
        agent.runner = self.runner.clone();
        agent
    }

    /// What happens while it waits, in place of waiting.
    #[must_use]
    pub fn pausing(
        mut self,
        pause: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.pause = Arc::new(pause);
        self
    }

    /// Sees each request before it is sent and after its answer came, and may break the connection there.
    #[must_use]
    pub fn watched(
        mut self,
        watch: impl Fn(Moment) -> BoxFuture<'static, Verdict> + Send + Sync + 'static,
    ) -> Self {
        self.watch = Arc::new(watch);
        self
    }

    /// What test binaries and commands do.
    #[must_use]
    pub fn running(mut self, runner: impl Fn(Job) -> Outcome + Send + Sync + 'static) -> Self {
        self.runner = Arc::new(runner);
        self
    }

    pub fn id(&self) -> &str {
        &self.identity.agent_id
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A request with everything that makes it this agent's. Sent once, as it is.
    pub fn request(&self, method: Method, target: &str) -> Request<'_> {
        Request::new(&self.server, method, target)
            .from(self.machine.address)
            .bearer(&self.identity.agent_key)
            .header("x-agent-id", &self.identity.agent_id)
            .header("x-agent-version", &self.machine.version)
            .header("x-request-timestamp", self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .header("content-type", "application/json")
    }

    pub fn get(&self, target: &str) -> Request<'_> {
        self.request(Method::GET, target)
    }

    pub fn post(&self, target: &str, body: &Value) -> Request<'_> {
        self.request(Method::POST, target).json(body)
    }

    pub fn patch(&self, target: &str, body: &Value) -> Request<'_> {
        self.request(Method::PATCH, target).json(body)
    }

    /// By its own clock.
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + self.machine.clock_skew
    }
}

/// https anywhere, http only to this machine (§8.2).
pub fn may_be_called(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let is_local = matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme_str() {
        Some("https") => url.host().is_some_and(|it| !it.is_empty()),
        Some("http") => is_local,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::may_be_called;

    /// fleet.md §11.C 462.
    #[test]
    fn only_safe_servers_are_called() {
        for url in
            ["https://a.example", "http://localhost", "http://127.0.0.1:3000", "http://[::1]:80/"]
        {
            assert!(may_be_called(url), "{url}");
        }
        for url in [
            "http://a.example",
            "http://localhost.evil.com",
            "a.example",
            "ftp://localhost",
            "ws://localhost",
        ] {
            assert!(!may_be_called(url), "{url}");
        }
    }
}

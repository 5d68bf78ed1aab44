//! Agents by the thousand, and what they send.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    Expected, Measured,
    client::{self, Connection, Load, Stopwatch, histogram, micros, request},
    server::Server,
};

/// Agents that enrolled, by number.
pub(crate) struct Fleet {
    agents: Vec<Agent>,
}

/// Requests that only have to be sent, one of each agent. They are fresh for five minutes.
pub(crate) struct Ready {
    requests: Vec<Request<Full<Bytes>>>,
    status: StatusCode,
}

impl Ready {
    pub(crate) fn new(requests: Vec<Request<Full<Bytes>>>, status: StatusCode) -> Self {
        Self { requests, status }
    }

    pub(crate) fn of(&self, number: usize) -> Expected {
        let request = self.requests[number % self.requests.len()].clone();
        Expected { request, status: self.status }
    }
}

struct Agent {
    id: String,
    bearer: String,
}

const USES_PER_TOKEN: usize = 1000;
const AGENTS_PER_ORDER: usize = 1000;
pub(crate) const ORGANISATION: &str = "local";

impl Fleet {
    /// Enrolls `count` agents, each from an address of its own, and says how long each took.
    pub(crate) async fn enroll(
        server: &Server,
        load: &Load,
        count: usize,
    ) -> Result<(Self, Measured)> {
        let mut tokens = Vec::new();
        for _ in 0..count.div_ceil(USES_PER_TOKEN) {
            tokens.push(mint(server).await?);
        }
        let agents = Mutex::new(Vec::with_capacity(count));
        let next = AtomicUsize::new(0);
        let watch = Stopwatch::start(load.process)?;
        let connections = (0..load.connections).map(|_| async {
            let mut connection = Connection::open(load.address).await?;
            let mut latencies = histogram()?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(latencies);
                }
                let expected = enrollment(&tokens[number / USES_PER_TOKEN], number);
                let sent = Instant::now();
                let answer = connection.send(expected).await?;
                latencies.saturating_record(micros(sent.elapsed()));
                let agent = Agent::new(&answer)?;
                agents
                    .lock()
                    .map_err(|_| anyhow::anyhow!("another connection failed"))?
                    .push(agent);
            }
        });
        let mut latencies = histogram()?;
        for each in futures::future::try_join_all(connections).await? {
            latencies.add(&each).context("histograms of one shape add up")?;
        }
        let measured = watch.stop(latencies)?;
        let agents = agents.into_inner().map_err(|_| anyhow::anyhow!("a connection failed"))?;
        Ok((Self { agents }, measured))
    }

    /// A poll of each agent, which is answered without a task.
    pub(crate) fn polls(&self) -> Ready {
        let polls =
            self.agents.iter().map(|it| it.request("GET", "/api/agent/tasks", Bytes::new()));
        Ready::new(polls.collect(), StatusCode::NO_CONTENT)
    }

    pub(crate) fn heartbeats(&self) -> Ready {
        let heartbeats = self
            .agents
            .iter()
            .enumerate()
            .map(|(number, it)| it.request("POST", "/api/agent/heartbeat", heartbeat(number)));
        Ready::new(heartbeats.collect(), StatusCode::OK)
    }

    /// Orders a command for every agent, then lets each poll, execute and report it.
    pub(crate) async fn command_cycles(&self, server: &Server, load: &Load) -> Result<Measured> {
        self.order_commands(server).await?;
        let next = AtomicUsize::new(0);
        let watch = Stopwatch::start(load.process)?;
        let connections = (0..load.connections).map(|_| async {
            let mut connection = Connection::open(load.address).await?;
            let mut latencies = histogram()?;
            while let Some(agent) = self.agents.get(next.fetch_add(1, Ordering::Relaxed)) {
                let begun = Instant::now();
                agent.run_command(&mut connection).await?;
                latencies.saturating_record(micros(begun.elapsed()));
            }
            anyhow::Ok(latencies)
        });
        let mut latencies = histogram()?;
        for each in futures::future::try_join_all(connections).await? {
            latencies.add(&each).context("histograms of one shape add up")?;
        }
        watch.stop(latencies)
    }

    async fn order_commands(&self, server: &Server) -> Result<()> {
        let mut connection = Connection::open(server.address()).await?;
        for batch in self.agents.chunks(AGENTS_PER_ORDER) {
            let ids: Vec<&str> = batch.iter().map(|it| it.id.as_str()).collect();
            let order = json!({ "org_id": ORGANISATION, "agent_ids": ids, "command": "whoami" });
            connection
                .send(as_admin(server.admin_token(), "/api/agent/admin/tasks/command", &order))
                .await?;
        }
        Ok(())
    }
}

impl Agent {
    fn new(answer: &[u8]) -> Result<Self> {
        let answer: Value = serde_json::from_slice(answer)?;
        let field = |name: &str| {
            answer["data"][name].as_str().with_context(|| format!("no {name} in {answer}"))
        };
        Ok(Self {
            id: field("agent_id")?.to_owned(),
            bearer: format!("Bearer {}", field("agent_key")?),
        })
    }

    fn request(&self, method: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("x-agent-id", &self.id),
            ("x-agent-version", "0.6.2"),
            ("x-request-timestamp", &now()),
            ("content-type", "application/json"),
        ];
        request(method, path, &headers, body)
    }

    async fn run_command(&self, connection: &mut Connection) -> Result<()> {
        let request = self.request("GET", "/api/agent/tasks", Bytes::new());
        let answer = connection.send(Expected { request, status: StatusCode::OK }).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let task = answer["data"]["id"].as_str().context("a task has an id")?;

        let path = format!("/api/agent/tasks/{task}/status");
        let request =
            self.request("PATCH", &path, json!({ "status": "executing" }).to_string().into());
        connection.send(Expected { request, status: StatusCode::OK }).await?;

        let path = format!("/api/agent/tasks/{task}/result");
        let request = self.request("POST", &path, result(task).to_string().into());
        connection.send(Expected { request, status: StatusCode::OK }).await?;
        Ok(())
    }
}

async fn mint(server: &Server) -> Result<String> {
    let order = json!({ "org_id": ORGANISATION, "max_uses": USES_PER_TOKEN });
    let mut connection = Connection::open(server.address()).await?;
    let answer =
        connection.send(as_admin(server.admin_token(), "/api/agent/admin/tokens", &order)).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    Ok(answer["data"]["token"].as_str().context("a minted token")?.to_owned())
}

fn as_admin(token: &str, path: &str, order: &Value) -> Expected {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    Expected {
        request: request("POST", path, &headers, order.to_string().into()),
        status: StatusCode::CREATED,
    }
}

fn enrollment(token: &str, number: usize) -> Expected {
    let [_, second, third, fourth] = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let address = format!("10.{second}.{third}.{fourth}");
    let body = json!({
        "token": token, "hostname": format!("bench-{number}"), "os": "linux", "arch": "amd64", "agent_version": "0.6.2",
    });
    let headers = [("x-forwarded-for", address.as_str()), ("content-type", "application/json")];
    let request = client::request("POST", "/api/agent/enroll", &headers, body.to_string().into());
    Expected { request, status: StatusCode::CREATED }
}

fn heartbeat(number: usize) -> Bytes {
    let body = json!({
        "timestamp": now(), "status": "idle", "current_task": null,
        "system": {
            "hostname": format!("bench-{number}"), "os": "linux", "arch": "amd64", "uptime_seconds": 91_234,
            "cpu_percent": 7, "memory_mb": 6120, "total_memory_mb": 16_256, "disk_free_mb": 81_234,
            "process_cpu_percent": 0, "process_memory_mb": 21,
        },
        "agent_version": "0.6.2", "last_task_completed": null,
    });
    body.to_string().into()
}

fn result(task: &str) -> Value {
    json!({
        "task_id": task, "test_uuid": "", "exit_code": 0, "stdout": "bench\n", "stderr": "",
        "started_at": now(), "completed_at": now(), "execution_duration_ms": 12,
        "binary_sha256": "", "hostname": "bench", "os": "linux", "arch": "amd64",
    })
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

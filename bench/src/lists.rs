//! What people look at, in an organisation that is large.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::{
    Expected,
    client::{Connection, Load, request},
    report::Report,
    seed,
    server::{Installation, Server},
};

const CONNECTIONS: usize = 4;
/// Of each: fewer than a person may send.
const REQUESTS: usize = 800;

const AGENTS: &str = "/api/agent/admin/agents?limit=50";
const TASKS: &str = "/api/agent/admin/tasks";
const METRICS: &str = "/api/agent/admin/metrics";

pub(crate) async fn measure(
    installation: &Installation,
    server: &Server,
    load: &Load,
    report: &mut Report,
) -> Result<()> {
    seed::plant(installation).await?;
    maintain(installation, server).await?;
    let agents = cursor_behind(server, AGENTS).await?;
    let tasks = cursor_behind(server, &format!("{TASKS}?limit=50")).await?;
    let load = Load { connections: CONNECTIONS, ..load.clone() };
    report.lists(seed::AGENTS, seed::TASKS, CONNECTIONS);
    for (name, path) in [
        ("agents: first page of 50", AGENTS.to_owned()),
        ("agents: page by cursor", format!("{AGENTS}&cursor={agents}")),
        ("agents: page 1000, by offset", format!("{AGENTS}&offset=50000")),
        ("agents: ?hostname=, one match", format!("{AGENTS}&hostname=fleet-054321")),
        ("agents: ?hostname=, all match", format!("{AGENTS}&hostname=fleet")),
        ("agents: ?tag=, one in 100", format!("{AGENTS}&tag=edge")),
        ("agents: ?online_only=true", format!("{AGENTS}&online_only=true")),
        ("agents: ?stale_only=true", format!("{AGENTS}&stale_only=true")),
        ("tasks: first page of 50", format!("{TASKS}?limit=50")),
        ("tasks: page by cursor", format!("{TASKS}?limit=50&cursor={tasks}")),
        ("tasks: ?type=", format!("{TASKS}?limit=50&type=update_agent")),
        ("tasks: ?status=", format!("{TASKS}?limit=50&status=failed")),
        ("tasks: ?search=, few match", format!("{TASKS}?limit=50&search=command%20777")),
        ("tasks: grouped", format!("{TASKS}/grouped?limit=20")),
        ("metrics", METRICS.to_owned()),
        ("metrics: fleet-health", format!("{METRICS}/fleet-health")),
    ] {
        seed::forget_budgets(installation).await?;
        let measured = load.times(REQUESTS, &|_| look(server, &path)).await?;
        report.list(name, &measured);
    }
    Ok(())
}

fn look(server: &Server, path: &str) -> Expected {
    get(path, server.admin_token())
}

fn get(path: &str, token: &str) -> Expected {
    let bearer = format!("Bearer {token}");
    let request = request("GET", path, &[("authorization", &bearer)], Bytes::new());
    Expected { request, status: StatusCode::OK }
}

/// What the scheduler does each minute.
async fn maintain(installation: &Installation, server: &Server) -> Result<()> {
    let secret = installation.secret("SPIN_VARIABLE_CRON_SECRET")?;
    let mut connection = Connection::open(server.address()).await?;
    connection.send(get("/api/cron/maintenance", &secret)).await.map(drop)
}

async fn cursor_behind(server: &Server, path: &str) -> Result<String> {
    let mut connection = Connection::open(server.address()).await?;
    let answer: Value = serde_json::from_slice(&connection.send(look(server, path)).await?)?;
    Ok(answer["data"]["next_cursor"].as_str().context("there is another page")?.to_owned())
}

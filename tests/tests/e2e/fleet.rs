//! Administration of a fleet over HTTP (fleet.md §5.4, §6.8, §12.3): a file per noun.

mod agents;
mod bulk;
mod figures;
mod history;
mod list;
mod rotation;
mod settings;
mod tags;

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, App, Machine, Operator, Person};

const ORG: &str = "org-1";
const OTHER: &str = "org-2";
const AGENTS: &str = "/api/agent/admin/agents";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const DAY: Duration = Duration::from_hours(24);

fn path(agent: &Agent) -> String {
    format!("{AGENTS}/{}", agent.id())
}

fn operator(app: &App) -> Operator {
    Operator::new(app.server(), ORG, Person::operator(ORG).token())
}

async fn enroll(app: &App, hostname: &str) -> Agent {
    enroll_in(app, ORG, hostname).await
}

async fn enroll_in(app: &App, org: &str, hostname: &str) -> Agent {
    app.enroll_machine(org, Machine { hostname: hostname.into(), ..Machine::default() }).await
}

/// An agent that its operator has removed, and one that has removed itself.
async fn gone(app: &App) -> (Agent, Agent) {
    let (removed, mut left) = (enroll(app, "removed").await, enroll(app, "left").await);
    app.admin(ORG).delete(&path(&removed)).await.expect(200);
    app.admin(ORG).order_uninstall(left.id(), false).await;
    left.work().await;
    (removed, left)
}

/// A command that the agent carries out.
async fn complete(app: &App, agent: &mut Agent) -> String {
    let id = app.admin(&org(app, agent)).order_command(agent.id(), "id").await;
    agent.work().await;
    assert_eq!(app.admin(&org(app, agent)).task(&id).await["status"], "completed");
    id
}

/// A command that the agent gives up.
async fn fail(app: &App, agent: &Agent) -> String {
    let id = app.admin(&org(app, agent)).order_command(agent.id(), "id").await;
    agent.get("/api/agent/tasks").send().await.expect(200);
    let status = format!("/api/agent/tasks/{id}/status");
    agent.patch(&status, &json!({ "status": "failed" })).send().await.expect(200);
    id
}

fn org(app: &App, agent: &Agent) -> String {
    app.database().value("SELECT org_id FROM agents WHERE id = ?1", [agent.id()])
}

/// Ids of agents as a JSON list.
fn ids(agents: &[&Agent]) -> Value {
    agents.iter().map(|it| it.id()).collect()
}

/// Lets the work that an agent did become older. What it did comes to lie on whole days.
fn age_work(app: &App, agent: &Agent, days: u32) {
    let sql = "UPDATE agent_days SET day = day - ?2, last_completed_at = last_completed_at - ?2 * 86400000
                WHERE agent_id = ?1";
    app.database().execute(sql, (agent.id(), days));
    let sql = "UPDATE agents
                  SET completed_hour = coalesce((SELECT max(last_completed_at) / 3600000
                                                   FROM agent_days WHERE agent_id = agents.id), 0)
                WHERE id = ?1";
    app.database().execute(sql, [agent.id()]);
}

/// As if the agent had reported that many times, once per five minutes, beginning that long ago.
fn report(app: &App, agent: &Agent, ago: Duration, samples: i64) {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3)
               INSERT INTO heartbeat_history (agent_id, bucket_at, recorded_at)
               SELECT ?1, ?2 + i * 300000, ?2 + i * 300000 + 7 FROM n";
    let since = jiff::Timestamp::now() - ago;
    let since = since.as_millisecond().div_euclid(300_000) * 300_000;
    app.database().execute(sql, (agent.id(), since, samples));
}

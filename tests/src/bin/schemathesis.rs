//! Lets schemathesis, from `PyPI`, make requests of the `OpenAPI` document, against the real program.
//!
//! `cargo xtask schemathesis` builds what it needs and runs it. Each tier is visited with credentials
//! that open it, so that handlers are reached; no answer may be a 5xx, and each must be as described.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tests::{Agent, Machine, Operator, application::root, program::Installation};
use tokio::process::Command;

const VERSION: &str = "4.32.5";
/// What `myrmidon up` calls the first organisation.
const ORG: &str = "local";
/// Per operation and phase.
const EXAMPLES: &str = "4";
const SEED: &str = "20261124";
/// For one visit; more means that something hangs. All of them take a minute or two.
const PATIENCE: Duration = Duration::from_mins(4);
/// It answers 503 to everybody, by its documentation.
const ALWAYS_UNAVAILABLE: &str = "/api/agent/admin/versions/build";

/// A part of the document, and the headers that open it.
struct Visit {
    tags: &'static [&'static str],
    headers: Vec<String>,
}

/// How often each operation answered with each status.
type Seen = BTreeMap<String, BTreeMap<u64, u32>>;

#[tokio::main]
async fn main() -> Result<()> {
    // The environment's programs know their own place: it must be one that stays.
    let folder = root().join("target").canonicalize()?.join("schemathesis");
    let program = installed(&folder).await?;
    let installation = Installation::new()?;
    let running = installation.start().await?;
    let visits = visits(&installation, running.admin_token()).await?;
    let budgets = tokio::spawn(unlimited(installation.database()));
    let mut seen = Seen::new();
    let mut failed = Vec::new();
    for visit in &visits {
        let report = folder.join(format!("{}.har", visit.tags[0]));
        let url = format!("http://{}", installation.address());
        if !run(&program, &url, visit, &report).await? {
            failed.push(visit.tags[0]);
        }
        count(&report, &mut seen)?;
    }
    budgets.abort();
    show(&seen);
    judge(&seen, &failed)
}

/// Schemathesis in an environment of its own; nothing is fetched when it is there.
async fn installed(folder: &Path) -> Result<PathBuf> {
    let environment = folder.join(format!("venv-{VERSION}"));
    let program = environment.join("bin/schemathesis");
    if program.is_file() {
        return Ok(program);
    }
    std::fs::create_dir_all(folder)?;
    let made = Command::new("python3").args(["-m", "venv"]).arg(&environment).status().await;
    if !made.context("python3 does not start")?.success() {
        bail!("python3 -m venv fails: Python's venv module is needed");
    }
    let package = format!("schemathesis=={VERSION}");
    let mut pip = Command::new(environment.join("bin/pip"));
    let fetched = pip.args(["install", "--quiet", &package]).status().await?;
    if !fetched.success() {
        bail!("{package} could not be fetched from PyPI");
    }
    Ok(program)
}

/// Agents first: what people do may end the agent.
async fn visits(installation: &Installation, admin_token: &str) -> Result<Vec<Visit>> {
    let server = installation.server();
    let operator = Operator::new(&server, ORG, admin_token);
    let token = operator.mint(1).await;
    let agent = Agent::enroll(&server, Machine::default(), &token).await?;
    operator.order_command(agent.id(), "id").await;
    let agent = Visit {
        tags: &["agent"],
        headers: vec![
            format!("Authorization: Bearer {}", agent.identity.agent_key),
            format!("X-Agent-ID: {}", agent.id()),
            format!("X-Request-Timestamp: {}", jiff::Timestamp::now()),
        ],
    };
    let secret = std::fs::read_to_string(installation.folder().join(".env"))?;
    let secret = secret.lines().find_map(|it| it.strip_prefix("SPIN_VARIABLE_CRON_SECRET="));
    let secret = secret.context("the program made no cron secret")?.trim_matches('"');
    let bearer = |token: &str| vec![format!("Authorization: Bearer {token}")];
    let scheduler = Visit {
        tags: &[
            "cron-maintenance",
            "cron-schedules",
            "cron-auto-rotation",
            "cron-ingestion",
            "cron-cleanup",
        ],
        headers: bearer(secret),
    };
    let person = Visit { tags: &["admin", "auth"], headers: bearer(admin_token) };
    let stranger = Visit { tags: &["public"], headers: Vec::new() };
    Ok(vec![agent, stranger, scheduler, person])
}

/// Nobody waits for a window to end: limits have tests of their own.
async fn unlimited(database: tests::database::Database) {
    loop {
        database.end_windows();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether every check held.
async fn run(program: &Path, url: &str, visit: &Visit, report: &Path) -> Result<bool> {
    let mut command = Command::new(program);
    command
        .args(["run", &format!("{url}/api/openapi.json"), "--no-color"])
        .args([
            "--checks",
            "not_a_server_error,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES])
        .args(["--seed", SEED, "--generation-deterministic"])
        .args(["--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off"])
        .args(["--continue-on-failure", "--exclude-path", ALWAYS_UNAVAILABLE])
        .args(["--report", "har", "--report-har-path"])
        .arg(report)
        .args(visit.tags.iter().flat_map(|it| ["--include-tag", it]))
        .args(visit.headers.iter().flat_map(|it| ["--header", it]))
        .kill_on_drop(true);
    let status = tokio::time::timeout(PATIENCE, command.status()).await;
    Ok(status.context("schemathesis does not come to an end")??.success())
}

fn count(report: &Path, seen: &mut Seen) -> Result<()> {
    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    for entry in report["log"]["entries"].as_array().into_iter().flatten() {
        let url = entry["request"]["url"].as_str().unwrap_or_default();
        let path: http::Uri = url.split(['?', '#']).next().unwrap_or_default().parse()?;
        let method = entry["request"]["method"].as_str().unwrap_or_default();
        let status = entry["response"]["status"].as_u64().unwrap_or_default();
        // Other methods than the described ones are tried, too.
        if let Some(pattern) = tests::description::pattern(method, path.path()) {
            let statuses = seen.entry(format!("{method} {pattern}")).or_default();
            *statuses.entry(status).or_default() += 1;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command-line program talks to its user")]
fn show(seen: &Seen) {
    for (operation, statuses) in seen {
        let counts: Vec<_> = statuses.iter().map(|(status, n)| format!("{status}×{n}")).collect();
        println!("{operation}: {}", counts.join(" "));
    }
}

/// No 5xx, and no operation that nobody got into.
fn judge(seen: &Seen, failed: &[&str]) -> Result<()> {
    let broken: Vec<_> =
        seen.iter().filter(|(_, it)| it.keys().any(|status| *status >= 500)).collect();
    if !broken.is_empty() {
        bail!("5xx: {broken:?}");
    }
    let shut: Vec<_> =
        seen.iter().filter(|(_, it)| it.keys().all(|it| matches!(it, 0 | 401 | 429))).collect();
    if !shut.is_empty() {
        bail!("never reached: {shut:?}");
    }
    if seen.is_empty() || !failed.is_empty() {
        bail!("checks failed: {failed:?}");
    }
    Ok(())
}

//! Measures the application against a bare component: same host, same process, same client, one run.
//!
//! Ratios are the result; absolute figures belong to the machine. `cargo xtask bench` builds what this needs.

mod client;
mod fleet;
mod lists;
mod report;
mod seed;
mod server;

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Parser;
use client::{Load, Measured};
use fleet::{Fleet, Ready};
use http::{Request, StatusCode};
use http_body_util::Full;
use report::Report;
use server::{Installation, Server};

/// Measures the application against a bare component.
#[derive(Parser)]
struct Options {
    /// Seconds per figure
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Agents in the fleet
    #[arg(long, default_value_t = 10_000)]
    agents: usize,
    /// Leave out an administrator's lists, whose organisation takes a minute to fill
    #[arg(long)]
    no_lists: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let installation = Installation::new()?;
    let first_start = Server::start(&installation).await?;
    let compiled = first_start.started_in();
    first_start.stop().await?;
    let server = Server::start(&installation).await?;

    let load = Load {
        address: server.address(),
        connections: options.connections,
        duration: Duration::from_secs(options.seconds),
        process: server.process()?,
    };
    let mut report = Report::new(&options, compiled, server.started_in());

    let (fleet, enrolling) = Fleet::enroll(&server, &load, options.agents).await?;
    // First heartbeats record more than those after them.
    let (hellos, polls, heartbeats) = (hello(), fleet.polls(), fleet.heartbeats());
    load.each(options.agents, &|n| heartbeats.of(n)).await?;
    let [hello, poll, heartbeat] =
        load.take_turns([&|n| hellos.of(n), &|n| polls.of(n), &|n| heartbeats.of(n)]).await?;
    let commands = fleet.command_cycles(&server, &load).await?;

    report.row("hello: a bare component", &hello, &hello);
    report.row("poll, nothing to do", &poll, &hello);
    report.row("heartbeat", &heartbeat, &hello);
    report.row("enroll", &enrolling, &hello);
    report.row("command cycle: poll, execute, report", &commands, &hello);
    report.memory(server.resident_mib()?);
    if !options.no_lists {
        lists::measure(&installation, &server, &load, &mut report).await?;
    }
    report.print();
    server.stop().await
}

fn hello() -> Ready {
    Ready::new(vec![client::get("/hello")], StatusCode::OK)
}

/// A request, and the only status that counts.
pub(crate) struct Expected {
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) status: StatusCode,
}

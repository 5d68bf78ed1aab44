//! Running the whole application: make what is missing, serve, schedule, drain.

mod first_start;
mod greeting;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use tokio::net::TcpListener;

use crate::{
    Installation,
    configuration::{self, Configuration},
    scheduler,
};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Do not call the cron routes; somebody else does
    #[arg(long)]
    no_scheduler: bool,
    /// How long a request may take to be answered, as in 90s or 5m; what arrives of its body gives it
    /// this time anew, up to an hour
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    request_timeout: Duration,
    /// One line per request, on standard error
    #[arg(long, value_enum, default_value = "text")]
    log: Log,
}

#[derive(ValueEnum, Clone, Copy)]
enum Log {
    Json,
    Text,
    Off,
}

/// More than none: nothing could be answered.
fn duration(text: &str) -> Result<Duration> {
    let duration = humantime::parse_duration(text)?;
    if duration.is_zero() {
        bail!("must be longer");
    }
    Ok(duration)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(options))
}

async fn serve(options: &Options) -> Result<()> {
    // The address first: where it is taken, nothing was touched.
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;

    let mut installation = options.installation.clone();
    first_start::prepare(&installation).await?;
    let mut configuration = Configuration::read(&installation)?;
    if tell_agents_where(&mut installation, &configuration, address) {
        configuration = Configuration::read(&installation)?;
    }
    refuse_problems(&configuration)?;

    let application =
        host::Application::load(&installation.from, host_options(options, &installation))?;
    if !options.no_scheduler {
        let secret = configuration.value("cron_secret").context("cron_secret is not set")?;
        for task in scheduler::tasks(application.manifest())? {
            tokio::spawn(scheduler::run(application.clone(), task, secret.to_owned()));
        }
    }
    let greeting = greeting::compose(&application, &configuration, address).await?;
    greeting::print(&greeting);
    application.serve(listener, stop_signal()).await?;
    Ok(())
}

/// Unless somebody chose otherwise, agents are told the address we really have.
fn tell_agents_where(
    installation: &mut Installation,
    configuration: &Configuration,
    address: SocketAddr,
) -> bool {
    const DEFAULT: &str = "http://127.0.0.1:3000";
    let here = greeting::url(address);
    if configuration.value("agent_server_url") != Some(DEFAULT) || here == DEFAULT {
        return false;
    }
    installation.variables.push(("agent_server_url".to_owned(), here));
    true
}

fn refuse_problems(configuration: &Configuration) -> Result<()> {
    let problems = configuration.problems();
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        problems.iter().map(|it| format!("\n  {} {}", it.variable, it.message)).collect();
    bail!("the configuration cannot work:{}", lines.concat())
}

#[expect(clippy::print_stderr, reason = "compiling takes seconds, and its user should know")]
fn host_options(options: &Options, installation: &Installation) -> host::Options {
    host::Options {
        log: match options.log {
            Log::Json => host::Log::Json,
            Log::Text => host::Log::Text,
            Log::Off => host::Log::Off,
        },
        request_timeout: options.request_timeout,
        progress: Some(std::sync::Arc::new(|it: &host::Progress<'_>| {
            eprintln!("compiling {} ({}/{})", it.component, it.index, it.total);
        })),
        ..configuration::options(installation)
    }
}

/// SIGTERM, or Ctrl-C.
async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminated) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        else {
            return drop(interrupted.await);
        };
        tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
}

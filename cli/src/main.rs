//! The program `myrmidon`: runs, prepares and checks an installation.
//!
//! Exit codes: 0 done, 1 failed, 2 called wrongly.

mod admin;
mod audit;
mod check;
mod configuration;
mod env_file;
mod keys;
mod migrate;
mod scheduler;
mod token;
mod up;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

/// Some hundred small allocations per request, many of which another thread frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The backend of continuous security validation.
///
/// `myrmidon up` makes what is missing on the first start (state, secrets, schema) and serves the application.
/// The same state and secrets serve `spin up`.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  myrmidon up                                   serve on 127.0.0.1:3000, state in .spin/
  myrmidon up --listen 0.0.0.0:8080 --log json  serve everybody, one JSON line per request
  myrmidon migrate && spin up                   prepare the database, then let Spin serve it
  myrmidon migrate --check                      exit 1 while a migration is pending
  myrmidon audit verify                         exit 1 where the audit log was tampered with
  myrmidon token --org acme --role admin        a token for curl: -H \"Authorization: Bearer …\"
  myrmidon admin create --org acme --email a@b.c  the first account of a person
  (umask 077; myrmidon keys generate >> .env)   all secrets of a new installation";

#[derive(Subcommand)]
enum Command {
    /// Serve the application, its scheduler included
    Up(up::Options),
    /// Create or upgrade the database
    Migrate(migrate::Options),
    /// Check the manifest, the components and the configuration; list every problem
    Check(Installation),
    /// Secrets of an installation
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// Check that nobody has tampered with the audit log
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// Accounts of administrators, where no identity provider has them
    Admin {
        #[command(subcommand)]
        command: admin::Command,
    },
    /// Print a signed token of a person, for local use
    Token(token::Options),
}

/// Which installation is meant.
#[derive(Args, Clone)]
struct Installation {
    /// The application's manifest
    #[arg(long, short = 'f', value_name = "FILE", default_value = "spin.toml")]
    from: PathBuf,
    /// Where databases and compiled components live [default: .spin beside the manifest]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Set an application variable; wins over the environment and the env file
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = configuration::assignment)]
    variables: Vec<(String, String)>,
    /// Lines of `SPIN_VARIABLE_NAME=value` [default: .env beside the manifest]
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

#[expect(clippy::print_stderr, reason = "a command-line program talks to its user")]
fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(options) => up::run(&options),
        Command::Migrate(options) => migrate::run(&options),
        Command::Check(installation) => check::run(&installation),
        Command::Audit { command } => audit::run(&command),
        Command::Keys { command } => keys::run(&command),
        Command::Admin { command } => admin::run(&command),
        Command::Token(options) => token::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Installation {
    /// The manifest's folder, where relative defaults start.
    fn folder(&self) -> PathBuf {
        match self.from.parent() {
            Some(it) if !it.as_os_str().is_empty() => it.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| self.folder().join(".spin"))
    }

    fn env_file(&self) -> PathBuf {
        self.env_file.clone().unwrap_or_else(|| self.folder().join(".env"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

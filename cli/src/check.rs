//! Checking an installation without running it.

use anyhow::{Result, bail};

use crate::{
    Installation,
    configuration::{self, Configuration},
};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its user"
)]
pub(crate) fn run(installation: &Installation) -> Result<()> {
    let mut problems: Vec<String> = Configuration::read(installation)?
        .problems()
        .into_iter()
        .map(|it| format!("{} {}", it.variable, it.message))
        .collect();
    let pending = crate::migrate::pending(&installation.state_dir())?;
    problems.extend(
        pending.iter().map(|it| format!("migration {it} is pending: run `myrmidon migrate`")),
    );

    if let Err(error) =
        host::Application::load(&installation.from, configuration::options(installation))
    {
        problems.push(error.to_string());
    }
    if problems.is_empty() {
        println!("nothing is wrong");
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("{} problems", problems.len())
}

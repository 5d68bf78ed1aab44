//! Running other programs from the workspace's root.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// The workspace's root: the parent of this crate's folder, as cargo tells it now. Clones that share
/// a build cache may run what another of them compiled.
pub(crate) fn root() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    folder.parent().expect("xtask lies in the workspace").to_owned()
}

pub(crate) struct Run(Command);

/// `cargo <verb> <arguments>`, by the cargo that runs us.
pub(crate) fn cargo(verb: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO"));
    command.arg(verb).args(arguments).current_dir(root());
    // We run inside `cargo run`: its view of this package is not the nested cargo's.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST") {
            command.env_remove(name.as_ref());
        }
    }
    Run(command)
}

pub(crate) fn program(name: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    Run(command)
}

impl Run {
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn run(mut self) -> Result<()> {
        let status = self
            .0
            .status()
            .with_context(|| format!("{} did not start", self.0.get_program().display()))?;
        if !status.success() {
            bail!(
                "{} {:?}: {status}",
                self.0.get_program().display(),
                self.0.get_args().collect::<Vec<_>>()
            );
        }
        Ok(())
    }

    /// What it prints.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self
            .0
            .output()
            .with_context(|| format!("{} did not start", self.0.get_program().display()))?;
        if !output.status.success() {
            bail!("{}: {}", self.0.get_program().display(), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(unix)]
pub(crate) fn replace(program: &Path, arguments: &[String]) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("{} did not start", program.display()))
}

#[cfg(not(unix))]
pub(crate) fn replace(program: &Path, arguments: &[String]) -> Result<()> {
    let status = Command::new(program).args(arguments).status()?;
    std::process::exit(status.code().unwrap_or(1))
}

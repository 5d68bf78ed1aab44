//! Builds the components: runs the commands the manifest names, as `spin build`.

use std::{
    ffi::OsStr,
    io,
    path::PathBuf,
    process::{Command, ExitStatus},
};

use crate::manifest::Manifest;

/// Which build command did not do its work. What ran before it is done.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{command:?} in {} cannot be started", .directory.display())]
    Start { command: String, directory: PathBuf, source: io::Error },
    #[error("{command:?} failed: {status}")]
    Failed { command: String, status: ExitStatus },
}

/// Runs every distinct build command once, in the order of the manifest, and
/// stops at the first that fails. `before` is told of each.
pub fn build(manifest: &Manifest, mut before: impl FnMut(&str)) -> Result<(), BuildError> {
    let mut done = Vec::new();
    for build in manifest.components.iter().filter_map(|it| it.build.as_ref()) {
        let workdir = build.workdir.clone().unwrap_or_default();
        let directory = manifest.directory.join(workdir);
        for command in &build.commands {
            let step = (directory.clone(), command);
            if done.contains(&step) {
                continue;
            }
            before(command);
            run(command, directory.clone())?;
            done.push(step);
        }
    }
    Ok(())
}

fn run(command: &str, directory: PathBuf) -> Result<(), BuildError> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(&directory);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_outer_cargo(name)) {
        shell.env_remove(name);
    }
    let command = command.to_owned();
    match shell.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(BuildError::Failed { command, status }),
        Err(source) => Err(BuildError::Start { command, directory, source }),
    }
}

/// We may run inside `cargo run`, whose package is not the one to be built:
/// left in place these variables make cargo build everything anew.
fn is_of_outer_cargo(name: &OsStr) -> bool {
    const OF_PACKAGE: [&str; 7] = [
        "CARGO_BIN_EXE_",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
    ];
    name.to_str().is_some_and(|it| OF_PACKAGE.iter().any(|prefix| it.starts_with(prefix)))
}

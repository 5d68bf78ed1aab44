//! Creating and upgrading the database, before the components that need it start.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use domain::time::Timestamp;
use rusqlite::{Connection, OpenFlags};

use crate::{Installation, audit};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// Change nothing; exit 1 while a migration is pending
    #[arg(long)]
    check: bool,
}

#[expect(clippy::print_stdout, reason = "a command-line program talks to its user")]
pub(crate) fn run(options: &Options) -> Result<()> {
    let state_dir = options.installation.state_dir();
    if options.check {
        let pending = pending(&state_dir)?;
        for name in &pending {
            println!("pending: {name}");
        }
        if !pending.is_empty() {
            bail!("{} migrations are pending", pending.len());
        }
        println!("the schema is up to date");
        return Ok(());
    }
    let applied = tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(upgrade(&options.installation))?;
    for name in &applied {
        println!("applied: {name}");
    }
    if applied.is_empty() {
        println!("the schema is up to date");
    }
    Ok(())
}

/// [`apply`], and what an upgraded database needs once.
pub(crate) async fn upgrade(installation: &Installation) -> Result<Vec<&'static str>> {
    let state_dir = installation.state_dir();
    make_private(&state_dir)?;
    let adoption = audit::Adoption::expect(installation, &pending(&state_dir)?)?;
    let applied = apply(&state_dir)?;
    adoption.complete(installation).await?;
    Ok(applied)
}

/// Brings the database of a state directory up to date; makes both where there is none.
pub(crate) fn apply(state_dir: &Path) -> Result<Vec<&'static str>> {
    make_private(state_dir)?;
    let mut connection = open(state_dir, OpenFlags::default())?;
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    Ok(store::migrations::apply(&mut connection, now)?)
}

/// Makes a folder that only its owner may enter. One that is there stays as it is.
pub(crate) fn make_private(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| folder.display().to_string())
}

/// What [`apply`] would do. A database that is not there lacks everything, and is not made.
pub(crate) fn pending(state_dir: &Path) -> Result<Vec<&'static str>> {
    let connection = if database(state_dir).exists() {
        open(state_dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?
    } else {
        Connection::open_in_memory()?
    };
    Ok(store::migrations::pending(&connection)?)
}

fn open(state_dir: &Path, flags: OpenFlags) -> Result<Connection> {
    let path = database(state_dir);
    let connection =
        Connection::open_with_flags(&path, flags).with_context(|| path.display().to_string())?;
    connection.busy_timeout(Duration::from_secs(30))?;
    Ok(connection)
}

/// Spin's own name for the database labelled `default`.
pub(crate) fn database(state_dir: &Path) -> std::path::PathBuf {
    state_dir.join("sqlite_db.db")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!pending(folder.path()).unwrap().is_empty());
        assert!(!database(folder.path()).exists());
    }

    #[test]
    fn what_was_applied_is_no_longer_pending() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!apply(folder.path()).unwrap().is_empty());
        assert!(apply(folder.path()).unwrap().is_empty());
        assert!(pending(folder.path()).unwrap().is_empty());
    }
}

//! Checking an installation without running it. It only looks: nothing is made or changed.

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
    let problems = problems(installation)?;
    if problems.is_empty() {
        println!("nothing is wrong");
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("{} problems", problems.len())
}

/// Of every stage, whatever the others found.
fn problems(installation: &Installation) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    if let Err(error) = load(installation)? {
        problems.extend(error.faults.iter().map(ToString::to_string));
    }
    match Configuration::read(installation) {
        Ok(configuration) => problems.extend(
            configuration
                .problems()
                .into_iter()
                .map(|it| format!("{} {}", it.variable, it.message)),
        ),
        // Those of the manifest were found by loading it.
        Err(error) if error.is::<host::LoadError>() => {}
        Err(error) => problems.push(format!("{error:#}")),
    }
    match crate::migrate::pending(&installation.state_dir()) {
        Ok(pending) => problems.extend(
            pending.iter().map(|it| format!("migration {it} is pending: run `myrmidon migrate`")),
        ),
        Err(error) => problems.push(format!("{error:#}")),
    }
    Ok(problems)
}

/// Loads the application with an empty state, which is gone afterwards.
fn load(installation: &Installation) -> Result<Result<host::Application, host::LoadError>> {
    let state = tempfile::tempdir()?;
    let options = host::Options {
        state_dir: Some(state.path().to_owned()),
        cache: host::Cache::ReadOnly(installation.state_dir().join("cache")),
        ..configuration::options(installation)
    };
    Ok(host::Application::load(&installation.from, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_checked_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("spin.toml");
        let manifest = r#"
            spin_manifest_version = 2
            application = { name = "test" }
            colour = "red"
            [variables]
            cron_secret = { default = "short" }
            needed = { required = true }
            [component.absent]
            source = "absent.wasm"
            sqlite_databases = ["default"]
        "#;
        std::fs::write(&from, manifest).unwrap();
        let installation =
            Installation { from, state_dir: None, variables: Vec::new(), env_file: None };
        let found = problems(&installation).unwrap().join("\n");
        for expected in ["colour: unknown key", "variables.needed", "absent.wasm", "0001_fleet"] {
            assert!(found.contains(expected), "{expected}: {found}");
        }
        let sound = manifest
            .replace("colour = \"red\"", "")
            .replace("{ required = true }", "{ default = \"\" }");
        std::fs::write(&installation.from, sound).unwrap();
        let found = problems(&installation).unwrap().join("\n");
        for expected in ["absent.wasm", "cron_secret must have at least 16", "0001_fleet"] {
            assert!(found.contains(expected), "{expected}: {found}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

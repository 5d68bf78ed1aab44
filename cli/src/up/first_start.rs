//! What the first start makes: the state directory, the secrets, the schema.
//!
//! Every start asks again; what is there stays.

use std::{collections::BTreeMap, fs::File};

use anyhow::Result;

use crate::{Installation, audit, env_file, keys, migrate};

/// Safe when two start at once: they take turns.
#[expect(clippy::print_stderr, reason = "a command-line program talks to its user")]
pub(super) fn prepare(installation: &Installation) -> Result<()> {
    let state_dir = installation.state_dir();
    migrate::make_private(&state_dir)?;
    let turn = File::create(state_dir.join("prepare.lock"))?;
    turn.lock()?;

    let env_path = installation.env_file();
    let mut known = env_file::read(&env_path)?;
    known.extend(environment());
    known.extend(given(installation));
    let made = keys::missing(&known)?;
    env_file::append(&env_path, &made)?;
    if !made.is_empty() {
        eprintln!("wrote {} secrets to {}", made.len(), env_path.display());
    }

    let applied = migrate::apply(&state_dir)?;
    for name in &applied {
        eprintln!("applied migration {name}");
    }
    audit::adopt_upgraded(installation, &applied)
}

fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// `--variable name=value`, under the names of the environment.
fn given(installation: &Installation) -> impl Iterator<Item = (String, String)> {
    let complete = |(name, value): &(String, String)| {
        (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value.clone())
    };
    installation.variables.iter().map(complete)
}

//! What the first start makes: the state directory, the secrets, the schema.
//!
//! Every start asks again; what is there stays.

use std::{collections::BTreeMap, fs::File};

use anyhow::Result;

use crate::{Installation, env_file, keys, migrate};

/// Safe when two start at once: they take turns.
#[expect(clippy::print_stderr, reason = "a command-line program talks to its user")]
pub(super) async fn prepare(installation: &Installation) -> Result<()> {
    let state_dir = installation.state_dir();
    migrate::make_private(&state_dir)?;
    let turn = File::create(state_dir.join("prepare.lock"))?;
    turn.lock()?;

    let env_path = installation.env_file();
    match env_file::make_private(&env_path) {
        Ok(false) => {}
        Ok(true) => eprintln!("others could read {}; now only its owner can", env_path.display()),
        Err(error) => eprintln!("warning: {error:#}"),
    }
    let mut known = env_file::read(&env_path)?;
    known.extend(environment());
    known.extend(given(installation));
    let made = keys::missing(&known)?;
    env_file::append(&env_path, &made)?;
    if !made.is_empty() {
        eprintln!("wrote {} secrets to {}", made.len(), env_path.display());
    }

    for name in migrate::upgrade(installation).await? {
        eprintln!("applied migration {name}");
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use domain::secrets::Digest;
    use rusqlite::Connection;

    use super::*;
    use crate::audit;

    const MANIFEST: &str = r#"
        spin_manifest_version = 2
        application = { name = "test" }
        [variables]
        encryption_secret = { default = "", secret = true }
    "#;

    /// An installation as it was before heads of logs were proven, with a log of one row.
    fn old() -> (tempfile::TempDir, Installation) {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("spin.toml");
        std::fs::write(&from, MANIFEST).unwrap();
        let installation =
            Installation { from, state_dir: None, variables: Vec::new(), env_file: None };
        migrate::make_private(&installation.state_dir()).unwrap();
        let connection = database(&installation);
        connection
            .execute_batch(
                "CREATE TABLE schema_migrations (
                   name       TEXT    NOT NULL PRIMARY KEY,
                   checksum   BLOB    NOT NULL CHECK (length(checksum) = 32),
                   applied_at INTEGER NOT NULL
                 ) STRICT",
            )
            .unwrap();
        let folder_of_all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let all = migrate::pending(folder.path()).unwrap();
        for name in all.iter().take_while(|it| !it.starts_with("0012")) {
            let sql = std::fs::read_to_string(folder_of_all.join(format!("{name}.sql"))).unwrap();
            connection.execute_batch(&sql).unwrap();
            let applied = "INSERT INTO schema_migrations VALUES (?1, ?2, 0)";
            connection.execute(applied, (name, Digest::of(&sql).as_bytes())).unwrap();
        }
        let entry = serde_json::json!({
            "at": jiff::Timestamp::now().as_millisecond(), "actor": "ada", "address": "local",
            "request_id": "r-1", "action": "thing.made",
        });
        let row = "INSERT INTO audit_entries (org_id, entry, target_type, target_id)
                   VALUES ('acme', ?1, 'thing', '1')";
        connection.execute(row, [entry.to_string()]).unwrap();
        (folder, installation)
    }

    fn database(installation: &Installation) -> Connection {
        Connection::open(migrate::database(&installation.state_dir())).unwrap()
    }

    fn is_proven(installation: &Installation) -> bool {
        let sql = "SELECT mac IS NOT NULL FROM audit_heads WHERE org_id = 'acme'";
        database(installation).query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn an_upgraded_log_is_proven_once() {
        let (_folder, installation) = old();
        prepare(&installation).await.unwrap();
        assert!(is_proven(&installation));

        // Whoever takes the proof away gets no other.
        database(&installation).execute("UPDATE audit_heads SET mac = NULL", []).unwrap();
        prepare(&installation).await.unwrap();
        assert!(!is_proven(&installation));
    }

    #[tokio::test]
    async fn an_upgrade_that_was_interrupted_is_completed() {
        let (_folder, installation) = old();
        let state_dir = installation.state_dir();
        let pending = migrate::pending(&state_dir).unwrap();
        drop(audit::Adoption::expect(&installation, &pending).unwrap());
        migrate::apply(&state_dir).unwrap();
        assert!(!is_proven(&installation));
        prepare(&installation).await.unwrap();
        assert!(is_proven(&installation));
    }
}

//! Brings a database to the schema this program was built with: forward only, each migration in
//! one transaction, safe to run twice or by two programs at once.

use domain::{secrets::Digest, time::Timestamp};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// In order. A migration that has shipped never changes: its checksum is kept beside its name.
const ALL: &[Migration] = &[
    Migration { name: "0001_fleet", sql: include_str!("../../../migrations/0001_fleet.sql") },
    Migration { name: "0002_audit", sql: include_str!("../../../migrations/0002_audit.sql") },
    Migration {
        name: "0003_schedules",
        sql: include_str!("../../../migrations/0003_schedules.sql"),
    },
    Migration {
        name: "0004_fleet_administration",
        sql: include_str!("../../../migrations/0004_fleet_administration.sql"),
    },
    Migration {
        name: "0005_task_administration",
        sql: include_str!("../../../migrations/0005_task_administration.sql"),
    },
    Migration { name: "0006_results", sql: include_str!("../../../migrations/0006_results.sql") },
    Migration { name: "0007_identity", sql: include_str!("../../../migrations/0007_identity.sql") },
    Migration {
        name: "0008_presence_indexes",
        sql: include_str!("../../../migrations/0008_presence_indexes.sql"),
    },
    Migration {
        name: "0009_list_indexes",
        sql: include_str!("../../../migrations/0009_list_indexes.sql"),
    },
    Migration {
        name: "0010_catalog_and_promotion",
        sql: include_str!("../../../migrations/0010_catalog_and_promotion.sql"),
    },
    Migration {
        name: "0011_retention",
        sql: include_str!("../../../migrations/0011_retention.sql"),
    },
    Migration {
        name: "0012_identity_and_audit",
        sql: include_str!("../../../migrations/0012_identity_and_audit.sql"),
    },
    Migration {
        name: "0013_bounded_work",
        sql: include_str!("../../../migrations/0013_bounded_work.sql"),
    },
];

#[derive(Debug, Clone, Copy)]
struct Migration {
    name: &'static str,
    sql: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("migration {0} has changed since it was applied")]
    Changed(&'static str),
    #[error("the database was migrated by a newer program: it knows {0}")]
    Unknown(String),
    #[error("migration {name} failed")]
    Failed { name: &'static str, source: rusqlite::Error },
    #[error("database unavailable")]
    Unavailable(#[from] rusqlite::Error),
}

/// Applies what is missing and returns the names, oldest first.
///
/// Also makes the file's journal a write-ahead log, which it then stays.
pub fn apply(connection: &mut Connection, now: Timestamp) -> Result<Vec<&'static str>, Error> {
    apply_all(connection, ALL, now)
}

/// The names of the migrations that [`apply`] would run, oldest first. Writes nothing.
pub fn pending(connection: &Connection) -> Result<Vec<&'static str>, Error> {
    let known = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations')";
    if !connection.query_row(known, [], |row| row.get::<_, bool>(0))? {
        return Ok(ALL.iter().map(|it| it.name).collect());
    }
    refuse_newer(connection, ALL)?;
    let mut pending = Vec::new();
    for migration in ALL {
        if !is_applied(connection, migration)? {
            pending.push(migration.name);
        }
    }
    Ok(pending)
}

fn apply_all(
    connection: &mut Connection,
    all: &[Migration],
    now: Timestamp,
) -> Result<Vec<&'static str>, Error> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
           name       TEXT    NOT NULL PRIMARY KEY,
           checksum   BLOB    NOT NULL CHECK (length(checksum) = 32),
           applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    refuse_newer(connection, all)?;
    let mut applied = Vec::new();
    for migration in all {
        if apply_one(connection, migration, now)? {
            applied.push(migration.name);
        }
    }
    Ok(applied)
}

/// `false` when it had been applied before, be it by a program that ran at the same time.
fn apply_one(
    connection: &mut Connection,
    migration: &Migration,
    now: Timestamp,
) -> Result<bool, Error> {
    // The write lock comes before the look, so that nobody slips in between.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if is_applied(&transaction, migration)? {
        return Ok(false);
    }
    let failed = |source| Error::Failed { name: migration.name, source };
    transaction.execute_batch(migration.sql).map_err(failed)?;
    transaction.execute(
        "INSERT INTO schema_migrations (name, checksum, applied_at) VALUES (?1, ?2, ?3)",
        params![migration.name, Digest::of(migration.sql).as_bytes(), now.0],
    )?;
    transaction.commit()?;
    Ok(true)
}

fn is_applied(connection: &Connection, migration: &Migration) -> Result<bool, Error> {
    let checksum = connection
        .query_row(
            "SELECT checksum FROM schema_migrations WHERE name = ?1",
            [migration.name],
            |row| row.get::<_, [u8; 32]>(0),
        )
        .optional()?;
    match checksum {
        None => Ok(false),
        Some(checksum) if Digest::from(checksum) == Digest::of(migration.sql) => Ok(true),
        Some(_) => Err(Error::Changed(migration.name)),
    }
}

fn refuse_newer(connection: &Connection, all: &[Migration]) -> Result<(), Error> {
    let mut statement = connection.prepare("SELECT name FROM schema_migrations ORDER BY name")?;
    for name in statement.query_map([], |row| row.get::<_, String>(0))? {
        let name = name?;
        if all.iter().all(|it| it.name != name) {
            return Err(Error::Unknown(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, thread};

    use super::*;

    const NOW: Timestamp = Timestamp(0);
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

    /// What a schema says, without the spelling of white space: a column that was added to a table
    /// stands in its statement, before the table's constraints.
    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare(
                "SELECT sql FROM sqlite_schema
                  WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'
                  ORDER BY type, name",
            )
            .unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|sql| {
            let sql = sql.unwrap();
            let lines = sql.lines().map(|line| line.split("--").next().unwrap());
            let spaced = lines.map(|line| line.replace(',', " , ").replace(')', " ) "));
            let spaced = spaced.collect::<Vec<_>>().join("\n");
            spaced.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
    }

    #[test]
    fn the_migrations_sum_to_the_schema() {
        let mut migrated = Connection::open_in_memory().unwrap();
        apply(&mut migrated, NOW).unwrap();
        let stated = Connection::open_in_memory().unwrap();
        let sum = fs::read_to_string(Path::new(FOLDER).join("schema.sql")).unwrap();
        stated.execute_batch(&sum).unwrap();
        assert_eq!(schema(&migrated), schema(&stated));
    }

    #[test]
    fn a_schema_that_lacks_a_check_is_another() {
        let stated = |sql: &str| {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            schema(&connection)
        };
        let checked = stated("CREATE TABLE a (b TEXT, c TEXT CHECK (c <> ''), CHECK (b <> ''))");
        assert_ne!(checked, stated("CREATE TABLE a (b TEXT, c TEXT, CHECK (b <> ''))"));
        assert_ne!(checked, stated("CREATE TABLE a (b TEXT, c TEXT CHECK (c <> ''))"));
        assert_eq!(
            checked,
            stated(
                "CREATE TABLE a (b TEXT\n, CHECK (b <> '')); ALTER TABLE a ADD COLUMN c TEXT CHECK (c <> '')"
            ),
        );
    }

    /// What each schema has room for and the one before had not; with it, no table is empty.
    const ROWS: [(&str, &str); 8] = [
        ("0001_fleet", include_str!("migrations/of_0001.sql")),
        ("0002_audit", include_str!("migrations/of_0002.sql")),
        ("0004_fleet_administration", include_str!("migrations/of_0004.sql")),
        ("0005_task_administration", include_str!("migrations/of_0005.sql")),
        ("0006_results", include_str!("migrations/of_0006.sql")),
        ("0007_identity", include_str!("migrations/of_0007.sql")),
        ("0009_list_indexes", include_str!("migrations/of_0009.sql")),
        ("0011_retention", include_str!("migrations/of_0011.sql")),
    ];

    /// A database as it grew with its schema up to the last of these migrations.
    fn grown(all: &[Migration]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        for last in 1..=all.len() {
            apply_all(&mut connection, &all[..last], NOW).unwrap();
            for (_, sql) in ROWS.iter().filter(|(name, _)| *name == all[last - 1].name) {
                connection.execute_batch(sql).unwrap();
            }
        }
        connection
    }

    /// What was there before an upgrade is there after it (D-23).
    #[test]
    fn an_upgrade_from_every_schema_keeps_every_row() {
        let newest = schema(&grown(ALL));
        for shipped in 1..=ALL.len() {
            let mut connection = grown(&ALL[..shipped]);
            let from = ALL[shipped - 1].name;
            let before = rows(&connection, None);
            assert!(before.iter().all(|(_, rows)| !rows.is_empty()), "{from}: {before:?}");

            apply(&mut connection, NOW).unwrap();

            assert_eq!(rows(&connection, Some(&before)), before, "{from}");
            assert_eq!(schema(&connection), newest, "{from}");
            let member = "SELECT schedule_id || agent_id FROM schedule_agents";
            assert_eq!(connection.query_row(member, [], |row| row.get(0)), Ok("s1a1".to_owned()));
            let broken = "SELECT count(*) FROM pragma_foreign_key_check";
            assert_eq!(connection.query_row(broken, [], |row| row.get(0)), Ok(0), "{from}");
            let found: String =
                connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(found, "ok", "{from}");
        }
    }

    /// The named columns of all tables, or of those given, row by row.
    type Rows = Vec<((String, Vec<String>), Vec<String>)>;

    fn rows(connection: &Connection, like: Option<&Rows>) -> Rows {
        let tables = match like {
            Some(rows) => rows.iter().map(|(table, _)| table.clone()).collect(),
            None => columns(connection),
        };
        let read = |(table, columns): (String, Vec<String>)| {
            let shown = columns.iter().map(|it| format!("quote({it})")).collect::<Vec<_>>();
            let sql = format!("SELECT {} FROM {table} ORDER BY 1", shown.join(" || ',' || "));
            let mut statement = connection.prepare(&sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            let rows = rows.collect::<Result<_, _>>().unwrap();
            ((table, columns), rows)
        };
        tables.into_iter().map(read).collect::<Vec<_>>()
    }

    fn columns(connection: &Connection) -> Vec<(String, Vec<String>)> {
        let sql = "SELECT tables.name, group_concat(columns.name)
                     FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
                    WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'
                      AND tables.name <> 'schema_migrations'
                      -- The agents of a schedule have a table of their own now, which is asked below.
                      AND (tables.name, columns.name) NOT IN (('schedules', 'agent_ids'), ('schedules', 'agent_next_runs'))
                 GROUP BY tables.name ORDER BY tables.name";
        let mut statement = connection.prepare(sql).unwrap();
        let tables = statement.query_map([], |row| {
            let columns: String = row.get(1)?;
            Ok((row.get(0)?, columns.split(',').map(str::to_owned).collect()))
        });
        tables.unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_list() {
        let mut files: Vec<_> = fs::read_dir(FOLDER)
            .unwrap()
            .filter_map(|it| {
                it.unwrap()
                    .file_name()
                    .into_string()
                    .unwrap()
                    .strip_suffix(".sql")
                    .map(str::to_owned)
            })
            .filter(|name| name != "schema")
            .collect();
        files.sort();
        assert_eq!(files, ALL.iter().map(|it| it.name).collect::<Vec<_>>());
    }

    #[test]
    fn a_second_run_does_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let all: Vec<_> = ALL.iter().map(|it| it.name).collect();
        assert_eq!(pending(&connection).unwrap(), all);
        assert_eq!(apply(&mut connection, NOW).unwrap(), all);
        assert!(apply(&mut connection, NOW).unwrap().is_empty());
        assert!(pending(&connection).unwrap().is_empty());
    }

    #[test]
    fn a_changed_migration_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = Migration { name: "1", sql: "CREATE TABLE a (b TEXT)" };
        apply_all(&mut connection, &[first], NOW).unwrap();
        let changed = Migration { name: "1", sql: "CREATE TABLE a (c TEXT)" };
        let refused = apply_all(&mut connection, &[changed], NOW);
        assert!(matches!(refused, Err(Error::Changed("1"))));
    }

    #[test]
    fn a_database_of_a_newer_program_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        let newer = Migration { name: "2", sql: "CREATE TABLE a (b TEXT)" };
        apply_all(&mut connection, &[newer], NOW).unwrap();
        let refused = apply_all(&mut connection, &[], NOW);
        assert!(matches!(refused, Err(Error::Unknown(name)) if name == "2"));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        let half = Migration { name: "1", sql: "CREATE TABLE a (b TEXT); CREATE TABLE a (b TEXT)" };
        let failed = apply_all(&mut connection, &[half], NOW);
        assert!(matches!(failed, Err(Error::Failed { name: "1", .. })));
        assert!(schema(&connection).is_empty());
    }

    #[test]
    fn two_at_once_apply_each_migration_once() {
        let folder =
            std::env::temp_dir().join(format!("myrmidon-migrations-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("fleet.db");
        let migrate = || {
            let mut connection = Connection::open(&path).unwrap();
            connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
            apply(&mut connection, NOW).unwrap().len()
        };
        let applied: usize = thread::scope(|scope| {
            let racing: Vec<_> = (0..4).map(|_| scope.spawn(migrate)).collect();
            racing.into_iter().map(|it| it.join().unwrap()).sum()
        });
        let mode: String = Connection::open(&path)
            .unwrap()
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((applied, mode.as_str()), (ALL.len(), "wal"));
    }
}

//! Databases, stored values and variables, as a guest finds them.

use std::time::{Duration, Instant};

use futures::poll;
use http::StatusCode;

use crate::support::{Running, load, manifest, options};

fn database() -> Running {
    Running::new(&manifest(r#"sqlite_databases = ["default"]"#, ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_run_on_a_file_of_spins_name() {
    let app = database();
    app.ok("/sql", "CREATE TABLE things (id INTEGER, name TEXT)").await;
    app.ok("/sql", "INSERT INTO things VALUES (1, 'ä'), (2, NULL), (3, 4.5), (4, x'00ff')").await;
    let rows = "1|ä\n2|null\n3|4.5\n4|[0, 255]\n";
    assert_eq!(app.ok("/sql", "SELECT * FROM things").await, rows);
    assert_eq!(app.ok("/sql-sync", "SELECT * FROM things").await, rows);
    assert_eq!(app.ok("/sql-kept", "SELECT * FROM things").await, rows);
    assert!(app.directory.path().join(".spin/sqlite_db.db").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_are_on_and_the_journal_is_sqlites_own() {
    let app = database();
    assert_eq!(app.ok("/sql", "PRAGMA foreign_keys").await, "1\n");
    assert_eq!(app.ok("/sql", "PRAGMA journal_mode").await, "delete\n");
    assert_eq!(app.ok("/sql", "PRAGMA synchronous").await, "2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pragma_stays_on_its_connection() {
    let app = database();
    assert_eq!(app.ok("/sql-kept", "PRAGMA foreign_keys = off").await, "");
    assert_eq!(app.ok("/sql-kept", "PRAGMA foreign_keys").await, "0\n");
    assert_eq!(app.ok("/sql", "PRAGMA foreign_keys").await, "1\n");
    app.ok("/sql", "PRAGMA foreign_keys = off").await;
    app.ok("/sql", "CREATE TEMP TABLE mine (id)").await;
    assert_eq!(app.ok("/sql", "PRAGMA foreign_keys").await, "1\n");
    assert_eq!(app.post("/sql", "SELECT * FROM mine").await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_statement_runs() {
    let app = database();
    assert_eq!(app.ok("/sql", "SELECT 1; CREATE TABLE things (id)").await, "1\n");
    assert_eq!(app.ok("/sql", "SELECT count(*) FROM sqlite_schema").await, "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_are_out_of_reach() {
    let app = database();
    let elsewhere = app.directory.path().join("elsewhere.db");
    for sql in [
        format!("ATTACH '{}' AS other", elsewhere.display()),
        format!("VACUUM INTO '{}'", elsewhere.display()),
        "SELECT load_extension('x')".into(),
    ] {
        let (status, error) = app.post("/sql", &*sql).await;
        assert_eq!(status, 422, "{sql}: {error}");
        assert!(error.contains("authoriz"), "{sql}: {error}");
    }
    assert!(!elsewhere.exists());
    app.ok("/sql", "ATTACH ':memory:' AS other").await;
    app.ok("/sql", "VACUUM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf_8_fails_its_statement_only() {
    let app = database();
    let (status, error) = app.post("/sql", "SELECT CAST(x'ff' AS TEXT) AS name").await;
    assert_eq!(
        (status, &*error),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            r#"Error::Io("column \"name\" holds text that is not UTF-8")"#,
        )
    );
    assert_eq!(app.ok("/sql", "SELECT 1").await, "1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_sqlite_is_told() {
    let app = database();
    let (status, error) = app.post("/sql", "SELECT * FROM nowhere").await;
    assert_eq!(status, 422);
    assert!(error.contains("no such table: nowhere"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_with_its_connection() {
    let app = database();
    app.ok("/sql", "CREATE TABLE things (id)").await;
    // The connection of this request is closed with its transaction open.
    app.ok("/sql", "BEGIN IMMEDIATE").await;
    app.ok("/sql", "INSERT INTO things VALUES (1)").await;
    // So is that of an instance which panics.
    app.ok("/sql-kept", "BEGIN IMMEDIATE").await;
    app.ok("/sql-kept", "INSERT INTO things VALUES (2)").await;
    assert_eq!(app.get("/panic").await.0, 500);
    app.ok("/sql", "INSERT INTO things VALUES (3)").await;
    assert_eq!(app.ok("/sql", "SELECT id FROM things").await, "1\n3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_in_time_keeps_nothing() {
    let manifest = manifest(r#"sqlite_databases = ["default"]"#, "");
    let options = host::Options { request_timeout: Duration::from_secs(1), ..options() };
    let app = Running::with(&manifest, options);
    assert_eq!(app.get("/hold").await.0, 500);
    let other =
        rusqlite::Connection::open(app.directory.path().join(".spin/sqlite_db.db")).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let freed = async {
        while other.execute_batch("BEGIN IMMEDIATE").is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed).await.unwrap();
}

/// More writes than threads: were each to wait for the file, nothing else would run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_file_is_waited_for_without_holding_up_others() {
    let app = database();
    app.ok("/sql", "CREATE TABLE things (id)").await;
    let other =
        rusqlite::Connection::open(app.directory.path().join(".spin/sqlite_db.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut writes = Box::pin(futures::future::join_all(
        (0..8).map(|_| app.post("/sql", "INSERT INTO things VALUES (1)")),
    ));
    assert!(poll!(&mut writes).is_pending());
    // Were a thread to wait for the file, it would wait until the writes had failed.
    for _ in 0..16 {
        assert_eq!(app.get("/headers").await.0, 200);
    }
    assert!(poll!(&mut writes).is_pending());
    other.execute_batch("COMMIT").unwrap();
    let writes = writes.await;
    assert!(writes.iter().all(|(status, _)| *status == 200), "{writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_file_is_waited_for_5_seconds() {
    let app = database();
    let other =
        rusqlite::Connection::open(app.directory.path().join(".spin/sqlite_db.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let start = Instant::now();
    let (status, error) = app.post("/sql", "CREATE TABLE things (id)").await;
    assert_eq!(
        (status, &*error),
        (StatusCode::UNPROCESSABLE_ENTITY, r#"Error::Io("database is locked")"#)
    );
    assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_lose_nothing() {
    let app = database();
    app.ok("/sql", "PRAGMA journal_mode = wal").await;
    app.ok("/sql", "CREATE TABLE things (id INTEGER PRIMARY KEY, count INTEGER)").await;
    app.ok("/sql", "INSERT INTO things VALUES (1, 0)").await;
    let writes = (0..60).map(|_| app.ok("/touch/1", ""));
    futures::future::join_all(writes).await;
    assert_eq!(app.ok("/sql", "SELECT count FROM things").await, "60\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied() {
    let app = Running::new(&manifest("", ""));
    assert_eq!(app.post("/sql", "SELECT 1").await.0, 422);
    assert_eq!(app.post("/sql-sync", "SELECT 1").await.0, 422);
    assert_eq!(app.get("/store/get/x").await.0, 422);
    assert!(!app.directory.path().join(".spin/sqlite_db.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_kept() {
    let app = Running::new(&manifest(r#"key_value_stores = ["default"]"#, ""));
    assert_eq!(app.ok("/store/get/a", "").await, "none");
    app.ok("/store/set/a", "one").await;
    app.ok("/store/set/a", "two").await;
    app.ok("/store/set/b", "three").await;
    assert_eq!(app.ok("/store/get/a", "").await, "two");
    assert_eq!(app.ok("/store/exists/b", "").await, "true");
    assert_eq!(app.ok("/store/keys", "").await, "a b");
    app.ok("/store/delete/b", "").await;
    assert_eq!(app.ok("/store/exists/b", "").await, "false");
    let file = app.directory.path().join(".spin/sqlite_key_value.db");
    let kept = rusqlite::Connection::open(file).unwrap();
    let sql = "SELECT store || ' ' || key || ' ' || CAST(value AS TEXT) FROM spin_key_value";
    let row: String = kept.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(row, "default a two");
}

const VARIABLES: &str = r#"
    [variables]
    one = { default = "default" }
    two = { default = "default" }
    three = { default = "default" }
    four = { required = true, secret = true }
    [component.guest.variables]
    all = "{{ one }} {{two}} {{ three }} {{ four }}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn variables_come_from_where_spin_looks() {
    let directory = tempfile::TempDir::new().unwrap();
    let env_file = "SPIN_VARIABLE_TWO=file\nSPIN_VARIABLE_THREE=file\nSPIN_VARIABLE_FOUR='fi le'\n";
    std::fs::write(directory.path().join(".env"), env_file).unwrap();
    let mut options = options();
    options.variables.insert("one".into(), "given".into());
    options.environment.insert("SPIN_VARIABLE_ONE".into(), "environment".into());
    options.environment.insert("SPIN_VARIABLE_TWO".into(), "environment".into());
    let application = load(directory.path(), &manifest("", VARIABLES), options).unwrap();
    let app = Running { application, directory };
    assert_eq!(app.ok("/variable/all", "").await, "given environment file fi le");
    for (name, error) in [("one", "Undefined"), ("Bad", "InvalidName"), ("", "InvalidName")] {
        let (status, text) = app.get(&format!("/variable/{name}")).await;
        assert_eq!(status, 422);
        assert!(text.contains(error), "{name}: {text}");
    }
}

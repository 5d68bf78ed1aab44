//! The port on Spin's `SQLite`. Nothing else touches its rows.
//!
//! One connection per instance: opening one costs a file open and a schema parse.

use std::sync::OnceLock;

use bindings::spin::sqlite::sqlite::{self, Connection};
use store::{Db, Error, Row, Value};

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../host/wit/deps/spin-sqlite@3.1.0",
        inline: "package myrmidon:storage; world storage { import spin:sqlite/sqlite@3.1.0; }",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

/// The instance's connection, and how its statements are called.
pub(crate) struct Database {
    connection: &'static Connection,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// A row or two come back with the call, where the other form hands out a stream and a future to be
    /// waited for, which cost more than a short statement. All requests of the instance wait for it.
    Synchronous,
    /// The instance serves its other requests meanwhile.
    Asynchronous,
}

/// With a write-ahead log neither costs consistency: a power cut may take the last commits, and
/// the log is copied back after 100 MiB, in which most pages were written many times.
const TUNING: [&str; 2] = ["PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 25000"];

impl Database {
    /// For statements that may read or wait for long.
    pub(crate) fn open() -> Result<&'static Self, Error> {
        static OPENED: OnceLock<Database> = OnceLock::new();
        Self::with(Form::Asynchronous, &OPENED)
    }

    /// For what devices do around the clock, each with a statement of a row or two.
    pub(crate) fn of_devices() -> Result<&'static Self, Error> {
        static OPENED: OnceLock<Database> = OnceLock::new();
        Self::with(Form::Synchronous, &OPENED)
    }

    fn with(form: Form, opened: &'static OnceLock<Self>) -> Result<&'static Self, Error> {
        if let Some(database) = opened.get() {
            return Ok(database);
        }
        let connection = connection()?;
        Ok(opened.get_or_init(|| Self { connection, form }))
    }
}

/// Opened by the first call of the instance.
fn connection() -> Result<&'static Connection, Error> {
    static OPENED: OnceLock<Connection> = OnceLock::new();
    if let Some(connection) = OPENED.get() {
        return Ok(connection);
    }
    let connection = Connection::open("default").map_err(Error::from_database)?;
    // Some databases refuse pragmas; they have their own durability.
    for pragma in TUNING {
        let _ = connection.execute(pragma, &[]);
    }
    Ok(OPENED.get_or_init(|| connection))
}

impl Db for Database {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let params: Vec<_> = params.iter().map(to_spin).collect();
        let rows = match self.form {
            Form::Synchronous => self.connection.execute(sql, &params).map(|it| it.rows),
            Form::Asynchronous => read(self.connection, sql.to_owned(), params).await,
        };
        Ok(rows.map_err(Error::from_database)?.into_iter().map(from_spin).collect())
    }
}

/// Reads all rows and then the outcome, for an error may come after rows.
async fn read(
    connection: &Connection,
    sql: String,
    params: Vec<sqlite::Value>,
) -> Result<Vec<sqlite::RowResult>, sqlite::Error> {
    let (_, rows, outcome) = connection.execute_async(sql, params).await?;
    let rows = rows.collect().await;
    outcome.await.map(|()| rows)
}

fn to_spin(value: &Value) -> sqlite::Value {
    match value {
        Value::Null => sqlite::Value::Null,
        Value::Integer(it) => sqlite::Value::Integer(*it),
        Value::Real(it) => sqlite::Value::Real(*it),
        Value::Text(it) => sqlite::Value::Text(it.clone()),
        Value::Blob(it) => sqlite::Value::Blob(it.clone()),
    }
}

fn from_spin(row: sqlite::RowResult) -> Row {
    Row::new(row.values.into_iter().map(value_from_spin).collect())
}

fn value_from_spin(value: sqlite::Value) -> Value {
    match value {
        sqlite::Value::Null => Value::Null,
        sqlite::Value::Integer(it) => Value::Integer(it),
        sqlite::Value::Real(it) => Value::Real(it),
        sqlite::Value::Text(it) => Value::Text(it),
        sqlite::Value::Blob(it) => Value::Blob(it),
    }
}

//! The port on Spin's `SQLite`. Nothing else touches its rows.
//!
//! One connection per instance: opening one costs a file open and a schema parse. Statements are
//! called synchronously: a row or two come back with the call, where the asynchronous form would
//! hand out a stream and a future to be waited for, which cost more than the statement. An instance
//! that waits takes no other request; the host makes another instance for that.

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

pub(crate) struct Database(Connection);

/// With a write-ahead log neither costs consistency: a power cut may take the last commits, and
/// the log is copied back after 100 MiB, in which most pages were written many times.
const TUNING: [&str; 2] = ["PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 25000"];

impl Database {
    /// The instance's connection, opened by its first call.
    pub(crate) fn open() -> Result<&'static Self, Error> {
        static OPENED: OnceLock<Database> = OnceLock::new();
        if let Some(database) = OPENED.get() {
            return Ok(database);
        }
        let connection = Connection::open("default").map_err(Error::from_database)?;
        // Some databases refuse pragmas; they have their own durability.
        for pragma in TUNING {
            let _ = connection.execute(pragma, &[]);
        }
        // Calls that raced here opened one each; the first one is kept.
        Ok(OPENED.get_or_init(|| Self(connection)))
    }
}

impl Db for Database {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let params: Vec<_> = params.iter().map(to_spin).collect();
        let result = self.0.execute(sql, &params).map_err(Error::from_database)?;
        Ok(result.rows.into_iter().map(from_spin).collect())
    }
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

//! The port on Spin's `SQLite`. Nothing else touches the rows of the SDK.
//!
//! One connection per instance: opening one costs a file open and a schema parse.

use std::sync::OnceLock;

use spin_sdk::sqlite::{self, Connection};
use store::{Db, Error, Row, Value};

pub(crate) struct Database(Connection);

/// With a write-ahead log neither costs consistency: a power cut may take the last commits, and
/// the log is copied back after 40 MiB, in which most pages were written many times.
const TUNING: [&str; 2] = ["PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 10000"];

impl Database {
    /// The instance's connection, opened by its first call.
    pub(crate) async fn open() -> Result<&'static Self, Error> {
        static OPENED: OnceLock<Database> = OnceLock::new();
        if let Some(database) = OPENED.get() {
            return Ok(database);
        }
        let connection = Connection::open_default().await.map_err(Error::from_database)?;
        let database = Self(connection);
        // Some databases refuse pragmas; they have their own durability.
        for pragma in TUNING {
            let _ = database.query(pragma, &[]).await;
        }
        // Calls that raced here opened one each; the first one is kept.
        Ok(OPENED.get_or_init(|| database))
    }
}

impl Db for Database {
    /// Reads all rows and then the outcome: an error of preparing appears only there, and a
    /// connection whose rows are unread never answers again.
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let params = params.iter().map(to_spin);
        let result = self.0.execute(sql, params).await.map_err(Error::from_database)?;
        let rows = result.collect().await.map_err(Error::from_database)?;
        Ok(rows.into_iter().map(from_spin).collect())
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

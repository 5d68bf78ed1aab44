//! The port on `rusqlite`, for tests and for programs that run outside a component.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::time::Timestamp;
use rusqlite::{Connection, params_from_iter, types};

use crate::{Db, Error, Row, Value, migrations};

/// A database that dies with this value.
#[derive(Debug)]
pub struct Memory(Native);

/// A database in a file. Several may be open on the same file.
#[derive(Debug)]
pub struct File(Native);

#[derive(Debug)]
struct Native(Mutex<Connection>);

impl Memory {
    /// An empty database with all migrations applied.
    ///
    /// # Panics
    ///
    /// When a migration of ours is wrong.
    pub fn migrated() -> Self {
        let mut connection = Connection::open_in_memory().expect("memory needs no file");
        prepare(&connection).expect("pragmas are accepted");
        migrations::apply(&mut connection, Timestamp(0)).expect("migrations apply");
        Self(Native(Mutex::new(connection)))
    }
}

#[cfg(test)]
impl Memory {
    /// Plans that are asked for include those of triggers.
    pub(crate) fn explaining_triggers() -> Self {
        let memory = Self::migrated();
        let option = rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRIGGER_EQP;
        memory.0.lock().set_db_config(option, true).expect("the option is known");
        memory
    }
}

impl File {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path).map_err(Error::from_database)?;
        prepare(&connection).map_err(Error::from_database)?;
        Ok(Self(Native(Mutex::new(connection))))
    }

    /// Applies what is missing; see [`migrations::apply`].
    pub fn migrate(&self, now: Timestamp) -> Result<Vec<&'static str>, migrations::Error> {
        migrations::apply(&mut self.0.lock(), now)
    }
}

impl Db for Memory {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.0.query(sql, params)
    }
}

impl Db for File {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.0.query(sql, params)
    }
}

/// As Spin opens its databases.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "NORMAL")
}

impl Native {
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        query(&self.lock(), sql, params).map_err(Error::from_database)
    }
}

fn query(connection: &Connection, sql: &str, params: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(params))?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get::<_, types::Value>(column));
        read.push(Row::new(values.map(|it| it.map(Value::from)).collect::<Result<_, _>>()?));
    }
    Ok(read)
}

impl From<types::Value> for Value {
    fn from(value: types::Value) -> Self {
        match value {
            types::Value::Null => Self::Null,
            types::Value::Integer(it) => Self::Integer(it),
            types::Value::Real(it) => Self::Real(it),
            types::Value::Text(it) => Self::Text(it),
            types::Value::Blob(it) => Self::Blob(it),
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<types::ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => types::ValueRef::Null,
            Self::Integer(it) => types::ValueRef::Integer(*it),
            Self::Real(it) => types::ValueRef::Real(*it),
            Self::Text(it) => types::ValueRef::Text(it.as_bytes()),
            Self::Blob(it) => types::ValueRef::Blob(it),
        };
        Ok(types::ToSqlOutput::Borrowed(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn values_survive_the_journey() {
        let db = Memory::migrated();
        let sent = [
            Value::Null,
            Value::Integer(-7),
            Value::Real(0.5),
            Value::from("é"),
            Value::Blob(vec![0, 1]),
        ];
        let rows = db.query("SELECT ?1, ?2, ?3, ?4, ?5", &sent).await.unwrap();
        assert_eq!(rows, [Row::new(sent.to_vec())]);
    }

    #[tokio::test]
    async fn what_is_missing_says_that_the_schema_is_old() {
        let db = Memory::migrated();
        let absent = [
            "SELECT 1 FROM absences",
            "SELECT absence FROM agents",
            "SELECT 1 FROM agents INDEXED BY absence",
        ];
        for sql in absent {
            assert!(matches!(db.query(sql, &[]).await, Err(Error::SchemaOutdated(_))), "{sql}");
        }
        assert!(matches!(db.query("SELEC", &[]).await, Err(Error::Unavailable(_))));
    }
}

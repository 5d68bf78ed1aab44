//! One statement on one connection, to its end.

use rusqlite::{
    Batch, Connection, ErrorCode, Statement, ToSql,
    fallible_iterator::FallibleIterator as _,
    types::{ToSqlOutput, ValueRef},
};

use crate::bindings::spin::sqlite::sqlite::{Error, RowResult, Value};

/// A result is held in memory until the guest has read it.
const MAX_RESULT_BYTES: usize = 128 << 20;

pub(super) enum Ran {
    Done(Outcome),
    /// It writes, and was not allowed to yet. Nothing happened.
    Writes,
    /// Another connection has the file. Nothing happened.
    Busy(String),
}

/// A failure goes with columns and rows as far as they came.
#[derive(Default)]
pub(super) struct Outcome {
    /// Whether it was understood, and had all that it asks for.
    pub(super) is_begun: bool,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<RowResult>,
    pub(super) failure: Option<Error>,
}

impl Outcome {
    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self { failure: Some(Error::Io(error.into())), ..Self::default() }
    }
}

enum Stopped {
    Writes,
    Sqlite(rusqlite::Error),
    TooLarge,
    NotUtf8(String),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Stopped::Sqlite(error)
    }
}

/// Runs the first statement of `sql`, as Spin does: what follows is ignored.
pub(super) fn run(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    may_write: bool,
) -> Ran {
    let mut outcome = Outcome::default();
    let failure = match query(connection, sql, parameters, may_write, &mut outcome) {
        Ok(()) => return Ran::Done(outcome),
        Err(Stopped::Writes) => return Ran::Writes,
        // SQLite took back what it did, and of the rows nobody has seen any.
        Err(Stopped::Sqlite(error)) if can_wait(connection, &error) => {
            return Ran::Busy(error.to_string());
        }
        Err(Stopped::Sqlite(error)) => error.to_string(),
        Err(Stopped::TooLarge) => format!("a result of more than {MAX_RESULT_BYTES} bytes"),
        Err(Stopped::NotUtf8(column)) => format!("column {column:?} holds text that is not UTF-8"),
    };
    outcome.failure = Some(Error::Io(failure));
    Ran::Done(outcome)
}

/// Whether a statement that can be understood writes.
pub(super) fn writes(connection: &Connection, sql: &str) -> bool {
    connection.prepare_cached(sql).is_ok_and(|it| !it.readonly())
}

/// Whether time could help. In a transaction whose snapshot is old it cannot.
fn can_wait(connection: &Connection, error: &rusqlite::Error) -> bool {
    const BUSY_SNAPSHOT: i32 = 517;
    let Some(code) = error.sqlite_error() else { return false };
    code.code == ErrorCode::DatabaseBusy
        && (connection.is_autocommit() || code.extended_code != BUSY_SNAPSHOT)
}

fn query(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    may_write: bool,
    outcome: &mut Outcome,
) -> Result<(), Stopped> {
    match connection.prepare_cached(sql) {
        Ok(mut statement) => step(&mut statement, parameters, may_write, outcome),
        Err(rusqlite::Error::MultipleStatement) => match Batch::new(connection, sql).next()? {
            Some(mut first) => step(&mut first, parameters, may_write, outcome),
            None => Ok(()),
        },
        Err(error) => Err(error.into()),
    }
}

fn step(
    statement: &mut Statement<'_>,
    parameters: &[Value],
    may_write: bool,
    outcome: &mut Outcome,
) -> Result<(), Stopped> {
    if !may_write && !statement.readonly() {
        return Err(Stopped::Writes);
    }
    outcome.columns = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(rusqlite::params_from_iter(parameters.iter().map(Bound)))?;
    outcome.is_begun = true;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(outcome.columns.len());
        for (index, column) in outcome.columns.iter().enumerate() {
            let value =
                read(row.get_ref(index)?).ok_or_else(|| Stopped::NotUtf8(column.clone()))?;
            bytes += size(&value);
            values.push(value);
        }
        if bytes > MAX_RESULT_BYTES {
            return Err(Stopped::TooLarge);
        }
        outcome.rows.push(RowResult { values });
    }
    Ok(())
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Integer(it) => ValueRef::Integer(*it),
            Value::Real(it) => ValueRef::Real(*it),
            Value::Text(it) => ValueRef::Text(it.as_bytes()),
            Value::Blob(it) => ValueRef::Blob(it),
            Value::Null => ValueRef::Null,
        }))
    }
}

/// `None` for text that is not UTF-8. There Spin's host task panics, with every
/// request of the instance; we fail the one statement.
fn read(value: ValueRef<'_>) -> Option<Value> {
    Some(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(it) => Value::Integer(it),
        ValueRef::Real(it) => Value::Real(it),
        ValueRef::Text(it) => Value::Text(str::from_utf8(it).ok()?.to_owned()),
        ValueRef::Blob(it) => Value::Blob(it.to_vec()),
    })
}

fn size(value: &Value) -> usize {
    let heap = match value {
        Value::Text(it) => it.len(),
        Value::Blob(it) => it.len(),
        Value::Integer(_) | Value::Real(_) | Value::Null => 0,
    };
    size_of::<Value>() + heap
}

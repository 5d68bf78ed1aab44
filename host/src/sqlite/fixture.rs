//! For tests: a database file, and guests with a connection each.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::{Connection as Guest, database::Database, statement::Outcome};
use crate::bindings::spin::sqlite::sqlite::{Error, Value};

/// A database of its own; gone when dropped.
pub(super) struct File {
    pub(super) database: Arc<Database>,
    pub(super) directory: TempDir,
}

impl File {
    pub(super) async fn with(schema: &[&str]) -> Self {
        Self::limited(Duration::from_mins(1), schema).await
    }

    /// Where a statement may run for so long.
    pub(super) async fn limited(statement_limit: Duration, schema: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let database = Arc::new(Database::new(path, statement_limit));
        let file = Self { database, directory };
        for statement in schema {
            file.guest().ok(statement).await;
        }
        file
    }

    pub(super) fn guest(&self) -> Guest {
        Guest(Arc::new(self.database.lease().unwrap()))
    }
}

impl Guest {
    pub(super) async fn ask(&self, sql: &str) -> Outcome {
        self.execute(sql.to_owned(), Vec::new()).await
    }

    pub(super) async fn ok(&self, sql: &str) -> Vec<Vec<Value>> {
        let outcome = self.ask(sql).await;
        assert!(outcome.failure.is_none(), "{sql}: {:?}", outcome.failure);
        outcome.rows.into_iter().map(|it| it.values).collect()
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        match self.ok(sql).await[..] {
            [ref row] if let [Value::Integer(it)] = row[..] => it,
            ref rows => panic!("{sql}: {rows:?}"),
        }
    }
}

/// What a failure says.
pub(super) fn error(outcome: Outcome) -> String {
    match outcome.failure {
        Some(Error::Io(text)) => text,
        other => panic!("{other:?}"),
    }
}

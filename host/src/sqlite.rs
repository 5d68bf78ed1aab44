//! `spin:sqlite@3.1.0`: a guest's connections to `SQLite` files.
//!
//! A guest's connection is one connection of ours for all of its life, so
//! transactions mean what they say; what it leaves open is rolled back. Only
//! statements that change rows outside a transaction run elsewhere, on the
//! connection that writes for all; `changes` and `last_insert_rowid` follow them.
//! A statement runs to its end before its first row is given out: rows that
//! nobody reads block nobody.

mod alarm;
mod changes;
mod database;
#[cfg(test)]
mod fixture;
mod pace;
mod statement;
mod verb;
mod writer;

use std::{sync::Arc, time::Duration};

pub(crate) use database::Database;
use database::Lease;
use statement::{Outcome, Ran};
use tokio::time::Instant;
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

use crate::{
    bindings::spin::sqlite::sqlite::{
        Error, Host, HostConnection, HostConnectionWithStore, QueryResult, RowResult, Value,
    },
    state::Instance,
};

/// As Spin: `SQLite`'s busy timeout.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection(Arc<Lease>);

impl Connection {
    /// Runs a statement. While the file is busy this waits without a thread, up
    /// to 5 seconds. Dropped before its turn, it does nothing.
    async fn execute(&self, sql: String, parameters: Vec<Value>) -> Outcome {
        let lease = &self.0;
        match lease.shares() {
            // What it asks for, only its own connection can be made to answer.
            Some(tuning) if self.changes_rows(&sql) && !verb::asks_for_changes(&sql) => {
                let written = writer::write(&lease.database, sql, parameters, tuning).await;
                lease.with(|own| lease.changes.elsewhere(&written, own));
                written.outcome
            }
            _ => self.execute_here(&sql, &parameters).await,
        }
    }

    fn changes_rows(&self, sql: &str) -> bool {
        verb::changes_rows(sql).unwrap_or_else(|| self.0.with(|it| statement::writes(it, sql)))
    }

    async fn execute_here(&self, sql: &str, parameters: &[Value]) -> Outcome {
        let deadline = Instant::now() + BUSY_TIMEOUT;
        let mut pause = Duration::from_micros(200);
        loop {
            // In a transaction nobody's turn is waited for: whoever has it may wait for us.
            let mut ran = self.run(sql, parameters, self.0.is_in_transaction());
            if matches!(ran, Ran::Writes) {
                let _turn = self.0.database.writer.lock().await;
                ran = self.run(sql, parameters, true);
            }
            match ran {
                Ran::Done(outcome) => return outcome,
                Ran::Busy(error) if Instant::now() >= deadline => return Outcome::failed(error),
                Ran::Busy(_) | Ran::Writes => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
            }
        }
    }

    fn run(&self, sql: &str, parameters: &[Value], may_write: bool) -> Ran {
        let work = || {
            self.0.with(|connection| {
                self.0.changes.known_to(connection, sql, || {
                    statement::run(connection, sql, parameters, may_write)
                })
            })
        };
        self.0.database.pace.run((sql, may_write), work)
    }

    fn last_insert_rowid(&self) -> i64 {
        self.0.with(|it| self.0.changes.last_insert_rowid(it))
    }

    fn changes(&self) -> u64 {
        self.0.with(|it| self.0.changes.changes(it))
    }
}

impl Instance {
    fn open(&mut self, label: &str) -> Result<Resource<Connection>, Error> {
        let database = self.component.databases.get(label).ok_or(Error::AccessDenied)?;
        let connection = Connection(Arc::new(database.lease()?));
        self.table.push(connection).map_err(|e| Error::Io(e.to_string()))
    }
}

fn connection<T>(
    accessor: &Accessor<T, HasSelf<Instance>>,
    handle: &Resource<Connection>,
) -> wasmtime::Result<Connection> {
    accessor.with(|mut access| Ok(access.get().table.get(handle)?.clone()))
}

impl Host for Instance {}

impl HostConnection for Instance {
    async fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        Ok(Instance::open(self, &label))
    }

    async fn execute(
        &mut self,
        handle: Resource<Connection>,
        sql: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let connection = self.table.get(&handle)?.clone();
        let Outcome { columns, rows, failure, .. } = connection.execute(sql, parameters).await;
        Ok(failure.map_or(Ok(QueryResult { columns, rows }), Err))
    }

    async fn last_insert_rowid(&mut self, handle: Resource<Connection>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&handle)?.last_insert_rowid())
    }

    async fn changes(&mut self, handle: Resource<Connection>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&handle)?.changes())
    }

    async fn drop(&mut self, handle: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

type Executed = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl<T: Send + 'static> HostConnectionWithStore<T> for HasSelf<Instance> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&label)))
    }

    /// A failure to prepare, too, shows only in the future at the end, as in Spin.
    async fn execute_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
        sql: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Executed, Error>> {
        let connection = connection(accessor, &handle)?;
        let Outcome { columns, rows, failure, .. } = connection.execute(sql, parameters).await;
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, rows)?;
            let result = async move { wasmtime::error::Ok(failure.map_or(Ok(()), Err)) };
            Ok(Ok((columns, rows, FutureReader::new(&mut access, result)?)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        Ok(connection(accessor, &handle)?.last_insert_rowid())
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        Ok(connection(accessor, &handle)?.changes())
    }
}

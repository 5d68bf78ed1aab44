//! One database file and its connections.
//!
//! Spin opens a connection per `open` and sets no journal mode; migrations and
//! guests do. We keep a few connections for the next `open`, those that a guest
//! left as they were: rolled back, without a row changed (most rows are by the
//! shared one), a pragma set but those in [`TUNED`], which we set back, or
//! anything attached or temporary.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::{
    Connection, OptionalExtension as _,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::{alarm::Alarm, changes::Changes, pace::Pace, writer::Writer};
use crate::bindings::spin::sqlite::sqlite::Error;

/// Opening one reads the whole schema; as many as instances take turns with under load.
const MAX_IDLE: usize = 64;
/// Of all instances together: each holds file descriptors and a page cache.
const MAX_OPEN: usize = 512;
const CACHED_STATEMENTS: usize = 256;

/// Pragmas with which a guest tunes a connection, and what they are on a new one.
const TUNED: [(&str, &str); 2] = [("synchronous", "FULL"), ("wal_autocheckpoint", "1000")];

pub(crate) struct Database {
    path: PathBuf,
    /// How long a statement may run.
    statement_limit: Duration,
    idle: Mutex<Vec<Clean>>,
    open: AtomicUsize,
    /// Held while a statement writes, so that writers wait in line, and without
    /// a thread, instead of asking `SQLite` again and again. Never while anything
    /// is waited for.
    pub(super) writer: tokio::sync::Mutex<()>,
    pub(super) shared: Writer,
    pub(super) pace: Pace,
}

struct Clean {
    connection: Connection,
    alarm: Arc<Alarm>,
    marks: Arc<Marks>,
}

/// What a guest did to a connection that outlives its statements.
#[derive(Default)]
struct Marks {
    is_changed: AtomicBool,
    tuning: Mutex<Tuning>,
}

/// The values that a guest set of [`TUNED`].
#[derive(Default, Clone, PartialEq)]
pub(super) struct Tuning([Option<String>; TUNED.len()]);

impl Tuning {
    pub(super) fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        for ((name, usual), value) in TUNED.iter().zip(&self.0) {
            let value = value.as_deref().unwrap_or(usual);
            connection.pragma_update_and_check(None, name, value, |_| Ok(())).optional()?;
        }
        Ok(())
    }
}

/// A connection on loan to a guest.
pub(super) struct Lease {
    pub(super) database: Arc<Database>,
    connection: Mutex<Option<Clean>>,
    pub(super) changes: Changes,
}

impl Database {
    pub(crate) fn new(path: PathBuf, statement_limit: Duration) -> Self {
        Self {
            path,
            statement_limit,
            idle: Mutex::default(),
            open: AtomicUsize::new(0),
            writer: tokio::sync::Mutex::default(),
            shared: Writer::default(),
            pace: Pace::default(),
        }
    }

    /// Makes the file, so that a fault shows at load.
    pub(crate) fn check(&self) -> rusqlite::Result<()> {
        let clean = self.connect()?;
        clean.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        self.give_back(clean);
        Ok(())
    }

    pub(super) fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        if self.open.fetch_add(1, Relaxed) >= MAX_OPEN {
            self.open.fetch_sub(1, Relaxed);
            return Err(Error::Io(format!("more than {MAX_OPEN} connections are open")));
        }
        // From here on the lease counts, and ends when it is dropped.
        let mut lease = Lease {
            database: self.clone(),
            connection: Mutex::new(None),
            changes: Changes::default(),
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let clean = match idle {
            Some(it) => it,
            None => self.connect().map_err(|e| Error::Io(e.to_string()))?,
        };
        *lease.connection.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(clean);
        Ok(lease)
    }

    /// A connection as a guest finds it, but for what it may not do.
    pub(super) fn open(&self) -> rusqlite::Result<(Connection, Arc<Alarm>)> {
        let mut connection = Connection::open(&self.path)?;
        let alarm = Alarm::set(&mut connection, self.statement_limit)?;
        // Waiting is ours to do, see `Connection::execute`: SQLite would block the thread.
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Otherwise a cached statement may be compiled again for each set of parameters.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok((connection, alarm))
    }

    fn connect(&self) -> rusqlite::Result<Clean> {
        let (mut connection, alarm) = self.open()?;
        let marks = Arc::new(Marks::default());
        let seen = marks.clone();
        connection
            .authorizer(Some(move |context: AuthContext<'_>| authorize(&context.action, &seen)))?;
        Ok(Clean { connection, alarm, marks })
    }

    fn give_back(&self, clean: Clean) {
        let Clean { connection, alarm, marks } = &clean;
        alarm.begin();
        if marks.is_changed.load(Relaxed) {
            return;
        }
        // What SQL can ask for, and nothing sets back.
        if connection.total_changes() != 0 || connection.last_insert_rowid() != 0 {
            return;
        }
        if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
            return;
        }
        if marks.tuning() != Tuning::default() {
            if Tuning::default().apply(connection).is_err() {
                return;
            }
            *marks.tuning.lock().unwrap_or_else(PoisonError::into_inner) = Tuning::default();
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(clean);
        }
    }
}

impl Marks {
    fn tuning(&self) -> Tuning {
        self.tuning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is one of [`TUNED`].
    fn note_tuning(&self, pragma: &str, value: &str) -> bool {
        let found = TUNED.iter().position(|(name, _)| pragma.eq_ignore_ascii_case(name));
        if let Some(index) = found {
            let mut tuning = self.tuning.lock().unwrap_or_else(PoisonError::into_inner);
            tuning.0[index] = Some(value.to_owned());
        }
        found.is_some()
    }
}

/// Pragmas of the whole process, not of a connection.
const SHARED_PRAGMAS: [&str; 4] =
    ["data_store_directory", "hard_heap_limit", "soft_heap_limit", "temp_store_directory"];

/// A guest stays in its file; `VACUUM INTO` attaches one, too.
fn authorize(action: &AuthAction<'_>, marks: &Marks) -> Authorization {
    match action {
        AuthAction::Attach { filename: "" | ":memory:" } => {
            marks.is_changed.store(true, Relaxed);
            Authorization::Allow
        }
        // What is attached by the name that an expression yields is unknown: it has no name yet.
        AuthAction::Attach { .. } | AuthAction::Unknown { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) }
            if SHARED_PRAGMAS.iter().any(|it| pragma_name.eq_ignore_ascii_case(it)) =>
        {
            Authorization::Deny
        }
        // 5 seconds it is, and the waiting is ours: accepted, to no effect.
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) }
            if pragma_name.eq_ignore_ascii_case("busy_timeout") =>
        {
            Authorization::Ignore
        }
        AuthAction::Pragma { pragma_name, pragma_value: Some(value) }
            if marks.note_tuning(pragma_name, value) =>
        {
            Authorization::Allow
        }
        AuthAction::Pragma { pragma_value: Some(_), .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => {
            marks.is_changed.store(true, Relaxed);
            Authorization::Allow
        }
        _ => Authorization::Allow,
    }
}

impl Lease {
    /// What the shared connection must know to write for this guest; `None` where
    /// the guest's own must: in a transaction, or where it differs from a new one.
    pub(super) fn shares(&self) -> Option<Tuning> {
        let guard = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let Clean { connection, marks, .. } = guard.as_ref()?;
        let is_plain = connection.is_autocommit() && !marks.is_changed.load(Relaxed);
        is_plain.then(|| marks.tuning())
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.with(|it| !it.is_autocommit())
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        let guard = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let clean = guard.as_ref().expect("a lease holds its connection until it is dropped");
        clean.alarm.begin();
        work(&clean.connection)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(clean) = connection.take()
            && !self.changes.is_overridden()
        {
            self.database.give_back(clean);
        }
        self.database.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;

//! What a guest's last statement changed, wherever it ran.
//!
//! `SQLite` keeps this per connection, and the guest's own does not know what
//! the shared one did for it.

use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, functions::FunctionFlags};

use super::{verb, writer::Written};

#[derive(Default)]
pub(super) struct Changes(Mutex<State>);

#[derive(Default, Clone, Copy)]
struct State {
    /// Whether the last statement that changed rows ran on the shared connection.
    is_elsewhere: bool,
    changes: u64,
    last_insert_rowid: i64,
    /// Of all statements on the shared connection.
    total: u64,
}

impl Changes {
    pub(super) fn elsewhere(&self, written: &Written) {
        if written.outcome.failure.is_some() {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_elsewhere = true;
        state.changes = written.changes;
        state.total += written.changes;
        state.last_insert_rowid = written.inserted.unwrap_or(state.last_insert_rowid);
    }

    /// Runs a statement on the guest's own connection, so that `changes()`,
    /// `total_changes()` and `last_insert_rowid()` in it answer for both.
    pub(super) fn known_to<T>(
        &self,
        connection: &Connection,
        sql: &str,
        run: impl FnOnce() -> T,
    ) -> T {
        let state = self.state();
        if state.total == 0 && !state.is_elsewhere {
            return run();
        }
        let before = connection.total_changes();
        let is_asked = verb::asks_for_changes(sql);
        if is_asked {
            state.teach(connection);
        }
        let result = run();
        if is_asked {
            forget(connection);
        }
        if verb::changes_rows(sql) == Some(true) || connection.total_changes() != before {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_elsewhere = false;
        }
        result
    }

    pub(super) fn changes(&self, connection: &Connection) -> u64 {
        let state = self.state();
        if state.is_elsewhere { state.changes } else { connection.changes() }
    }

    pub(super) fn last_insert_rowid(&self, connection: &Connection) -> i64 {
        let state = self.state();
        if state.is_elsewhere { state.last_insert_rowid } else { connection.last_insert_rowid() }
    }

    fn state(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NAMES: [&str; 3] = ["changes", "last_insert_rowid", "total_changes"];

impl State {
    fn teach(self, connection: &Connection) {
        let own = connection.total_changes();
        let (changes, rowid) = if self.is_elsewhere {
            (self.changes, self.last_insert_rowid)
        } else {
            (connection.changes(), connection.last_insert_rowid())
        };
        let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        let values = [signed(changes), rowid, signed(own.saturating_add(self.total))];
        for (name, value) in NAMES.into_iter().zip(values) {
            // Where this fails, the built-in answers for the guest's own connection.
            drop(connection.create_scalar_function(
                name,
                0,
                FunctionFlags::SQLITE_UTF8,
                move |_| Ok(value),
            ));
        }
    }
}

fn forget(connection: &Connection) {
    for name in NAMES {
        drop(connection.remove_function(name, 0));
    }
}

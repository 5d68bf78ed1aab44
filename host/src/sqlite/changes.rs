//! What a guest's last statement changed, wherever it ran.
//!
//! `SQLite` keeps this per connection, and the guest's own does not know what
//! the shared one did for it. A statement that asks for it in SQL runs on the
//! guest's own, where functions of ours override `SQLite`'s. Then it has no
//! others, and is nobody else's any more.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use rusqlite::{Connection, functions::FunctionFlags};

use super::{statement, verb, writer::Written};

#[derive(Default)]
pub(super) struct Changes(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether anything ran on the shared connection. Until then the guest's own knows all.
    is_split: bool,
    /// Of the last statement that changed rows, if it ran on the shared connection.
    changes: Option<u64>,
    /// On whichever connection it was.
    last_insert_rowid: i64,
    /// Of all statements on the shared connection.
    total: u64,
    overrides: Option<Arc<Overrides>>,
}

impl Changes {
    /// Notes what the shared connection did; `own` is the guest's.
    pub(super) fn elsewhere(&self, written: &Written, own: &Connection) {
        let Some(changes) = written.changes else { return };
        let mut state = self.state();
        if !state.is_split {
            state.is_split = true;
            state.last_insert_rowid = own.last_insert_rowid();
        }
        state.changes = Some(changes);
        state.total += written.total;
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
        if !self.state().prepare(connection, sql) {
            return run();
        }
        let before = (connection.total_changes(), connection.last_insert_rowid());
        let result = run();
        let has_changed = connection.total_changes() != before.0;
        let inserted = connection.last_insert_rowid();
        let changes_rows =
            || verb::changes_rows(sql).unwrap_or_else(|| statement::writes(connection, sql));
        if has_changed || changes_rows() {
            self.state().changes = None;
        }
        if inserted != before.1 || (has_changed && verb::inserts(sql)) {
            self.state().last_insert_rowid = inserted;
        }
        result
    }

    /// Whether the connection answers for this guest alone.
    pub(super) fn is_overridden(&self) -> bool {
        self.state().overrides.is_some()
    }

    pub(super) fn changes(&self, connection: &Connection) -> u64 {
        self.state().changes.unwrap_or_else(|| connection.changes())
    }

    pub(super) fn last_insert_rowid(&self, connection: &Connection) -> i64 {
        let state = self.state();
        if state.is_split { state.last_insert_rowid } else { connection.last_insert_rowid() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether anything ran elsewhere, so that the connection does not know it all.
    fn prepare(&mut self, connection: &Connection, sql: &str) -> bool {
        if !self.is_split || (self.overrides.is_none() && !verb::asks_for_changes(sql)) {
            return self.is_split;
        }
        let changes = self.changes.unwrap_or_else(|| connection.changes());
        let rowid = self.last_insert_rowid;
        let total = connection.total_changes().saturating_add(self.total);
        let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        let overrides = self.overrides.get_or_insert_with(|| Overrides::of(connection));
        for (answer, value) in overrides.0.iter().zip([signed(changes), rowid, signed(total)]) {
            answer.store(value, Relaxed);
        }
        true
    }
}

/// What the functions of [`NAMES`] say.
struct Overrides([AtomicI64; NAMES.len()]);

const NAMES: [&str; 3] = ["changes", "last_insert_rowid", "total_changes"];

impl Overrides {
    fn of(connection: &Connection) -> Arc<Self> {
        let answers = Arc::new(Self([const { AtomicI64::new(0) }; NAMES.len()]));
        for (index, name) in NAMES.into_iter().enumerate() {
            let answers = answers.clone();
            // Where this fails, the built-in answers for the guest's own connection.
            drop(connection.create_scalar_function(
                name,
                0,
                FunctionFlags::SQLITE_UTF8,
                move |_| Ok(answers.0[index].load(Relaxed)),
            ));
        }
        answers
    }
}

#[cfg(test)]
mod tests;

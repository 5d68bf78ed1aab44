//! Slow statements: which ones take long.
//!
//! Giving a thread away costs more than a short statement does: a quarter of
//! the writes per second were lost to it. A long one, as one that waits for the
//! disk, would hold up every other request of its thread. So a statement that
//! took long the last times gives its thread away, and others do not.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::blocking;

const LONG: Duration = Duration::from_millis(1);
/// Once may be the kernel's doing, which let others run in between.
const TIMES: u8 = 2;
const MAX_REMEMBERED: usize = 4096;

/// The statement that ends a transaction, and whatever does so at the end of another.
pub(super) const COMMIT: (&str, bool) = ("COMMIT", true);

#[derive(Default)]
pub(super) struct Pace {
    /// How often in a row a statement took long.
    long: Mutex<HashMap<u64, u8>>,
    hasher: RandomState,
}

impl Pace {
    /// A statement is known by its text, and by whether it may write: finding
    /// out that it must wait for that takes no time.
    pub(super) fn run<T>(&self, statement: (&str, bool), work: impl FnOnce() -> T) -> T {
        let was_long = self.is_long(statement);
        let start = Instant::now();
        let result = if was_long { blocking::run(work) } else { work() };
        self.note(statement, start.elapsed() >= LONG);
        result
    }

    /// Runs a statement that commits by itself. What it takes from the instant at
    /// which `work` says that the commit began is the disk's doing, not the statement's.
    pub(super) fn run_to_commit<T>(
        &self,
        statement: (&str, bool),
        work: impl FnOnce() -> (T, Option<Instant>),
    ) -> T {
        let was_long = self.is_long(statement) || self.is_long(COMMIT);
        let start = Instant::now();
        let (result, committing) = if was_long { blocking::run(work) } else { work() };
        let end = Instant::now();
        self.note(statement, committing.unwrap_or(end) - start >= LONG);
        if let Some(committing) = committing {
            self.note(COMMIT, end - committing >= LONG);
        }
        result
    }

    /// Whether a statement took long the last times.
    pub(super) fn is_long(&self, statement: (&str, bool)) -> bool {
        self.times(statement) >= TIMES
    }

    fn times(&self, statement: (&str, bool)) -> u8 {
        let long = self.lock();
        // Usually nothing takes long, and texts are long to look through.
        if long.is_empty() { 0 } else { long.get(&self.known_as(statement)).copied().unwrap_or(0) }
    }

    fn note(&self, statement: (&str, bool), is_long: bool) {
        let mut long = self.lock();
        if is_long {
            let statement = self.known_as(statement);
            // Texts that never come again must not keep out those that do, which are soon back.
            if long.len() >= MAX_REMEMBERED && !long.contains_key(&statement) {
                long.clear();
            }
            let times = long.entry(statement).or_default();
            *times = times.saturating_add(1);
        } else if !long.is_empty() {
            long.remove(&self.known_as(statement));
        }
    }

    fn known_as(&self, statement: (&str, bool)) -> u64 {
        self.hasher.hash_one(statement)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u8>> {
        self.long.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: (&str, bool) = ("slow", true);

    #[test]
    fn what_took_long_twice_is_long_until_it_is_short() {
        let pace = Pace::default();
        pace.note(SLOW, true);
        assert!(!pace.is_long(SLOW), "once is not enough");
        pace.note(SLOW, true);
        assert!(pace.is_long(SLOW));
        assert!(!pace.is_long(("slow", false)) && !pace.is_long(("other", true)));
        pace.note(SLOW, false);
        assert!(!pace.is_long(SLOW));
        pace.note(SLOW, true);
        assert!(!pace.is_long(SLOW), "times before a short one do not count");
    }

    #[test]
    fn many_that_took_long_keep_none_out() {
        let pace = Pace::default();
        for number in 0..MAX_REMEMBERED {
            pace.note((&number.to_string(), true), true);
        }
        pace.note(SLOW, true);
        pace.note(SLOW, true);
        assert!(pace.is_long(SLOW));
        for number in 1..MAX_REMEMBERED {
            pace.note((&number.to_string(), true), true);
        }
        pace.note(SLOW, true);
        assert!(pace.is_long(SLOW), "it was there when the table was full");
    }

    #[test]
    fn what_takes_long_is_noted() {
        let pace = Pace::default();
        for _ in 0..TIMES {
            pace.run(SLOW, || std::thread::sleep(LONG * 2));
        }
        assert!(pace.is_long(SLOW));
    }
}

//! Which statements take long.
//!
//! Giving a thread away costs more than a short statement does: a quarter of
//! the writes per second were lost to it. A long one, as one that waits for the
//! disk, would hold up every other request of its thread. So a statement that
//! took long the last time gives its thread away, and others do not.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::blocking;

const LONG: Duration = Duration::from_millis(1);
const MAX_REMEMBERED: usize = 4096;

#[derive(Default)]
pub(super) struct Pace {
    long: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Pace {
    /// A statement is known by its text, and by whether it may write: finding
    /// out that it must wait for that takes no time.
    pub(super) fn run<T>(&self, statement: (&str, bool), work: impl FnOnce() -> T) -> T {
        let was_long = self.is_long(statement);
        let start = Instant::now();
        let result = if was_long { blocking::run(work) } else { work() };
        let is_long = start.elapsed() >= LONG;
        if is_long != was_long {
            let statement = self.hasher.hash_one(statement);
            self.with(|it| {
                if is_long && it.len() < MAX_REMEMBERED {
                    it.insert(statement);
                } else {
                    it.remove(&statement);
                }
            });
        }
        result
    }

    /// Whether a statement took long the last time.
    pub(super) fn is_long(&self, statement: (&str, bool)) -> bool {
        self.with(|it| !it.is_empty() && it.contains(&self.hasher.hash_one(statement)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashSet<u64>) -> T) -> T {
        work(&mut self.long.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn what_took_long_is_remembered_until_it_is_short() {
        let pace = Pace::default();
        let known = |sql: &str| pace.with(|it| it.contains(&pace.hasher.hash_one((sql, true))));
        pace.run(("slow", true), || sleep(LONG * 2));
        pace.run(("fast", true), || ());
        assert!(known("slow") && !known("fast"));
        assert!(pace.is_long(("slow", true)) && !pace.is_long(("slow", false)));
        pace.run(("slow", false), || ());
        assert!(known("slow"));
        pace.run(("slow", true), || ());
        assert!(!known("slow"));
    }
}

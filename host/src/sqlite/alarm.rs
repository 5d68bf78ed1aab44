//! The statement timeout: ends a statement that runs too long.
//!
//! A statement holds its thread, so nobody could give it up from outside.
//! `SQLite` asks now and then whether to go on; the clock is first looked at
//! when it does, which short statements never see.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// In instructions of `SQLite`'s machine, about a tenth of a millisecond.
const ASKED_EVERY: i32 = 10_000;

/// Of one connection.
pub(super) struct Alarm {
    /// Milliseconds since `base` at which the statement was first asked about; 0 before.
    asked_at: AtomicU64,
    base: Instant,
    limit: Duration,
}

impl Alarm {
    pub(super) fn set(connection: &mut Connection, limit: Duration) -> rusqlite::Result<Arc<Self>> {
        let alarm = Arc::new(Self { asked_at: AtomicU64::new(0), base: Instant::now(), limit });
        let asked = alarm.clone();
        connection.progress_handler(ASKED_EVERY, Some(move || asked.is_over()))?;
        Ok(alarm)
    }

    /// A statement begins.
    pub(super) fn begin(&self) {
        self.asked_at.store(0, Relaxed);
    }

    /// Whether the time of the statement is over.
    pub(super) fn is_over(&self) -> bool {
        let now = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        match self.asked_at.load(Relaxed) {
            0 => {
                self.asked_at.store(now, Relaxed);
                false
            }
            first => Duration::from_millis(now.saturating_sub(first)) >= self.limit,
        }
    }
}

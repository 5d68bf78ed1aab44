//! What became due since the last tick: which runs to make now, which to let go, and what is next.

use super::{Lot, MissedRunPolicy, Patience, Timing};
use crate::time::{Span, Timestamp};

/// A tick that comes later than this has missed its run.
pub const ON_TIME: Span = Span::seconds(120);
/// Runs of one machine that one tick makes up for.
const MOST_RUNS: usize = 100;

/// What an operator decided about missed runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedRuns {
    pub policy: MissedRunPolicy,
    /// Runs that are older are let go whatever the policy.
    pub window: Span,
}

/// By which clock a run is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    pub now: Timestamp,
    /// When making the run was first tried in vain: what we try again is not missed (D-55).
    pub failing_since: Option<Timestamp>,
}

/// What a tick finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// Occurrences to run now, oldest first.
    pub runs: Vec<Timestamp>,
    /// Occurrences that are let go.
    pub skipped: u32,
    /// The first occurrence after now.
    pub next: Option<Timestamp>,
}

impl Timing {
    /// Decides what happens to the occurrence `due` and to all after it, up to now.
    pub fn catch_up(
        &self,
        due: Timestamp,
        lot: Lot<'_>,
        missed: MissedRuns,
        lateness: Lateness,
        patience: &mut Patience,
    ) -> Caught {
        let tried = lateness.failing_since.unwrap_or(lateness.now);
        let oldest = tried - missed.window.max(ON_TIME);
        let mut skipped = 0;
        let mut at = Some(due);
        if due < oldest {
            skipped = 1;
            at = self.next_open(oldest - Span::millis(1), Some(due), lot, patience);
        }
        let mut runs = Vec::new();
        while let Some(passed) = at.filter(|it| *it <= lateness.now && runs.len() < MOST_RUNS) {
            runs.push(passed);
            at = self.next_open(passed, Some(passed), lot, patience);
        }
        let on_time = runs.last().is_some_and(|it| *it >= tried - ON_TIME);
        let kept = match missed.policy {
            MissedRunPolicy::RunAll => runs.len(),
            MissedRunPolicy::RunOnce => runs.len().min(1),
            MissedRunPolicy::Skip => usize::from(on_time),
        };
        let let_go = runs.len() - kept;
        runs.drain(..let_go);
        Caught { runs, skipped: skipped + u32::try_from(let_go).unwrap_or(u32::MAX), next: at }
    }
}

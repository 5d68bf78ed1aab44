//! The caller of cron routes: a scheduler that knows the secret (fleet.md §2.6). And what bounds their
//! runs.

use std::time::{Duration, Instant};

use http::header;

use crate::{Caller, Problem, Request, bearer, contract::Fault, log, openapi::Proof, settings};

/// How long one run begins new work.
const LONGEST: Duration = Duration::from_secs(20);

/// Proof of knowing `cron_secret`.
pub struct Scheduler(());

impl Caller for Scheduler {
    const PROOF: Proof = Proof::Scheduler;

    /// Digests are compared, bytes of any kind, in constant time (D-20). The bare secret is
    /// accepted, too. Without a configured secret nobody is a scheduler.
    async fn prove(request: &Request) -> Result<Self, Problem> {
        let refused = || Problem::unauthenticated("Unauthorized");
        let Some(secret) = settings::variable("cron_secret").await.ok().flatten() else {
            log::event(log::Level::Error, "cron_secret is not configured", request);
            return Err(refused());
        };
        let presented = request.headers.get(header::AUTHORIZATION).ok_or_else(refused)?.as_bytes();
        let presented = presented.strip_prefix(b"Bearer ").unwrap_or(presented);
        if bearer::matches(presented, secret.as_bytes()) { Ok(Self(())) } else { Err(refused()) }
    }
}

/// A run: until when it begins new work, and what went wrong in it first. One part's fault does not
/// keep the others.
#[derive(Debug)]
pub struct Run {
    end: Instant,
    fault: Option<Fault>,
}

impl Run {
    pub fn begin() -> Self {
        Self { end: Instant::now() + LONGEST, fault: None }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Whole seconds until the run is over.
    pub fn seconds_left(&self) -> u32 {
        let left = self.end.saturating_duration_since(Instant::now()).as_secs();
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Notes a fault; the run goes on.
    pub fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// The first fault that was noted.
    pub fn end(self) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_what_a_run_answers() {
        let mut run = Run::begin();
        assert!(!run.is_over() && run.seconds_left() <= 20);
        run.note(Fault::Misconfigured("first".to_owned()));
        run.note(Fault::Unavailable);
        let answered = run.end();
        assert!(matches!(answered, Err(Fault::Misconfigured(what)) if what == "first"));
        assert!(Run::begin().end().is_ok());
    }
}

//! The caller of cron routes: a scheduler that knows the secret (fleet.md §2.6).

use http::header;

use crate::{Caller, Problem, Request, bearer, log, openapi::Proof, settings};

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

//! A new key, because a person asks for one.

use domain::{
    agents::AgentStatus,
    devices::{RECOVERY_WINDOW, agent_key},
    ids::{AgentId, OrgId},
    rate_limit::Budget,
    sealing::SealingKey,
    secrets::Digest,
    time::Timestamp,
};
use store::{
    agents::rotation::{self, KeyHolder, Pending},
    audit::Entry,
};

use crate::{
    bindings::exports::myrmidon::domain::{agents::RotateError, types::Fault},
    call::{self, Call},
    sealing,
};

/// Who loses a race finds the winner's key at the next attempt.
const ATTEMPTS: usize = 3;

/// The key that waits from now on, in clear, and since when. A key that waits already stays, unless
/// it was sealed under another secret: then nobody can ever be given it. Nothing is recorded before
/// the key that is shown could be opened.
pub(super) async fn start(
    call: &Call,
    org: &OrgId,
    agent: &AgentId,
    entry: &Entry,
    budget: Budget,
) -> Result<(String, Timestamp), RotateError> {
    let key = sealing::key().await?;
    for _ in 0..ATTEMPTS {
        let found = rotation::find(call.db, org, agent).await?;
        let found = found.ok_or(RotateError::NotFound(budget.into()))?;
        if matches!(found.status, AgentStatus::Decommissioned | AgentStatus::Uninstalled) {
            return Err(RotateError::Gone((found.status.into(), budget.into())));
        }
        let pending = offer(call, &key, (org, agent), found, entry).await?;
        let opened =
            pending.and_then(|it| Some((key.open(agent, &it.sealed).ok()?, it.started_at)));
        if let Some((clear, started_at)) = opened {
            return Ok((clear.into_exposed(), started_at));
        }
    }
    Err(Fault::Unavailable.into())
}

/// Offers a fresh key to an agent that was found so. `None` when it is not so any more.
async fn offer(
    call: &Call,
    key: &SealingKey,
    (org, agent): (&OrgId, &AgentId),
    found: KeyHolder,
    entry: &Entry,
) -> Result<Option<Pending>, store::Error> {
    let fresh = agent_key(&call::random());
    let sealed = key.seal(agent, &fresh, call::random());
    let offered = (&Digest::of(fresh.expose()), sealed.as_slice());
    match found.sealed.filter(|it| key.open(agent, it).is_err()) {
        Some(unreadable) => {
            let until = call.now + RECOVERY_WINDOW;
            rotation::replace(call.db, (org, agent), &unreadable, offered, until, entry).await
        }
        None => rotation::start(call.db, org, agent, offered, entry).await,
    }
}

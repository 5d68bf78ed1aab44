//! The device tier's way to its work: one statement when all is well, and what to say when not.
//!
//! All rejections look alike to the caller (fleet.md §2.2); which it was shows only in who is counted.

use domain::{
    devices::{self, Presented, RECOVERY_WINDOW, Standing},
    ids::AgentId,
    rate_limit::{DEVICE, Limit, RESULTS},
    secrets::Digest,
};
use futures::FutureExt as _;
use store::devices::{Admitted, Known, Spent};

use crate::{
    bindings::exports::myrmidon::domain::types::{Device, Fault, TurnedAway},
    call::Call,
};

/// A promotion and a lost race are worth another try each.
const ATTEMPTS: usize = 3;

/// Which of an agent's budgets a request is counted against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Window {
    Requests,
    Results,
}

impl Window {
    fn limit(self) -> Limit {
        match self {
            Self::Requests => DEVICE,
            Self::Results => RESULTS,
        }
    }

    fn spent(self, known: &Known) -> Spent {
        match self {
            Self::Requests => known.requests,
            Self::Results => known.results,
        }
    }
}

pub(crate) fn presented(device: &Device) -> Presented {
    Presented { agent: AgentId(device.agent_id.clone()), key: Digest::of(&device.key) }
}

/// §2.2 step 7, which comes before any other: a replayed request learns nothing.
pub(crate) fn is_fresh(call: &Call, device: &Device) -> bool {
    devices::is_fresh(device.requested_at.into(), call.now)
}

/// Work that waits for nothing but a device's statements, which are called synchronously.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("synchronous statements leave nothing to wait for")
}

/// Authenticates and counts a request whose work is not in the database.
pub(crate) async fn admit(
    call: &Call,
    device: &Device,
    window: Window,
) -> Result<Admitted, TurnedAway> {
    let presented = presented(device);
    perform(call, device, window, async || match window {
        Window::Requests => store::devices::admit(call.db, &presented, DEVICE, call.now).await,
        Window::Results => {
            store::devices::admit_result(call.db, &presented, RESULTS, call.now).await
        }
    })
    .await
}

/// Runs `work`, a statement that authenticates and counts as it goes, until it did something or it
/// is clear why it cannot.
pub(crate) async fn perform<T>(
    call: &Call,
    device: &Device,
    window: Window,
    work: impl AsyncFn() -> Result<Option<T>, store::Error>,
) -> Result<T, TurnedAway> {
    perform_until_farewell(call, device, window, work, async || Ok(false)).await
}

/// As [`perform`], where `work` may be what an agent that uninstalled itself says last: then
/// `is_farewell` says so.
pub(crate) async fn perform_until_farewell<T>(
    call: &Call,
    device: &Device,
    window: Window,
    work: impl AsyncFn() -> Result<Option<T>, store::Error>,
    is_farewell: impl AsyncFn() -> Result<bool, store::Error>,
) -> Result<T, TurnedAway> {
    let fresh = is_fresh(call, device);
    for _ in 0..ATTEMPTS {
        if fresh && let Some(done) = work().await? {
            return Ok(done);
        }
        let presented = presented(device);
        let known = store::devices::find_credentials(call.db, &presented.agent).await?;
        let standing = |it: &Known| it.credentials.standing(&presented.key, call.now);
        match &known {
            Some(it) if fresh && standing(it) == Standing::Promotable => {
                promote(call, &presented).await?;
            }
            Some(it) if fresh && standing(it) == Standing::Accepted => {
                refuse_over_budget(call, window, it)?;
            }
            Some(it) if fresh && standing(it) == Standing::Departed && is_farewell().await? => {
                refuse_over_budget(call, window, it)?;
            }
            _ => return Err(turn_away(call, device, known.as_ref()).await?),
        }
    }
    Err(TurnedAway::Unavailable)
}

/// `false` of the store is a race that another request won, with the same effect.
async fn promote(call: &Call, presented: &Presented) -> Result<(), store::Error> {
    let previous_expires_at = call.now + RECOVERY_WINDOW;
    store::devices::record_promotion(call.db, presented, previous_expires_at, call.now)
        .await
        .map(drop)
}

fn refuse_over_budget(call: &Call, window: Window, known: &Known) -> Result<(), TurnedAway> {
    let (limit, Spent { used, started_at }) = (window.limit(), window.spent(known));
    if devices::has_room(limit, used, started_at, call.now) {
        return Ok(());
    }
    let counted = limit.judge(used, started_at, call.now);
    Err(TurnedAway::RateLimited(counted.budget.into()))
}

/// Counts a request of nobody we know, by its address, and notes on an agent that exists that it is
/// being turned away (D-64).
async fn turn_away(
    call: &Call,
    device: &Device,
    known: Option<&Known>,
) -> Result<TurnedAway, store::Error> {
    let name = if known.is_some() { &device.agent_id } else { "none" };
    let key = ["device", &device.address, name].join(":");
    let counted = store::rate_limits::count(call.db, &key, DEVICE, call.now).await?;
    if known.is_some_and(|it| it.rejected_since.is_none()) {
        let agent = AgentId(device.agent_id.clone());
        store::devices::record_rejection(call.db, &agent, call.now).await?;
    }
    let budget = counted.budget.into();
    Ok(if counted.allowed {
        TurnedAway::Unauthenticated(budget)
    } else {
        TurnedAway::RateLimited(budget)
    })
}

/// A device is told no more than that we are not there.
impl From<store::Error> for TurnedAway {
    fn from(error: store::Error) -> Self {
        let (Fault::Misconfigured(_) | Fault::Unavailable) = Fault::from(error);
        Self::Unavailable
    }
}

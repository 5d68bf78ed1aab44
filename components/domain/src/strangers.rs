//! Requests of nobody we know, which are counted by the address that they come from.

use domain::rate_limit::{Budget, Limit};
use store::rate_limits;

use crate::{
    bindings::exports::myrmidon::domain::types::{Fault, Uncounted},
    call::Call,
};

/// Counts a request against the budget that its address has for such ones.
pub(crate) async fn count(
    call: &Call,
    what: &str,
    address: &str,
    limit: Limit,
) -> Result<Budget, Uncounted> {
    let key = [what, address].join(":");
    let counted = rate_limits::count(call.db, &key, limit, call.now).await?;
    if counted.allowed {
        Ok(counted.budget)
    } else {
        Err(Uncounted::RateLimited(counted.budget.into()))
    }
}

impl From<Fault> for Uncounted {
    fn from(it: Fault) -> Self {
        Self::Fault(it)
    }
}

impl From<store::Error> for Uncounted {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

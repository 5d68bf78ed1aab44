//! Which release agents are offered, whatever is newer.

use domain::{ids::OrgId, platform::Platform};
use store::release_promotions::{self, Target};

use crate::{
    audit,
    bindings::exports::myrmidon::domain::{
        releases::{PromoteError, Promotion},
        tasks::Awaiting,
        types::{Actor, Fault},
    },
    call::{self, Call},
};

/// At once; or, where it is mandatory and the organisation wants two people for that, once another
/// person agrees.
pub(super) async fn promote(
    by: &Actor,
    version: &str,
    platform: Platform,
) -> Result<Promotion, PromoteError> {
    let call = Call::begin()?;
    let org = OrgId(by.org_id.clone());
    let target = Target { org: &org, version, platform };
    let entry = audit::entry(&call, by, "release.promote");
    if release_promotions::record(call.db, target, &entry).await? {
        audit::seal(&call, &org).await;
        let promoted = store::releases::find(call.db, &org, version, platform).await?;
        let promoted = promoted.ok_or(PromoteError::NotFound)?;
        return Ok(Promotion::Promoted(promoted.into()));
    }
    let id = call::sortable_id(call.now);
    let entry = audit::entry(&call, by, "approval.request");
    if let Some(at) = release_promotions::ask(call.db, target, &id, &entry).await? {
        audit::seal(&call, &org).await;
        let awaiting = Awaiting { approval_id: id, expires_at: at.into() };
        return Ok(Promotion::AwaitingApproval(awaiting));
    }
    Err(match store::releases::find(call.db, &org, version, platform).await? {
        None => PromoteError::NotFound,
        Some(it) if it.awaiting_approval.is_some() => PromoteError::Unapproved,
        // What stood in the way is gone already.
        Some(_) => PromoteError::Fault(Fault::Unavailable),
    })
}

/// Again, too: what is not promoted has nothing to take back. `false` when there is no such release.
pub(super) async fn unpromote(
    by: &Actor,
    version: &str,
    platform: Platform,
) -> Result<bool, Fault> {
    let call = Call::begin()?;
    let org = OrgId(by.org_id.clone());
    let entry = audit::entry(&call, by, "release.unpromote");
    let target = Target { org: &org, version, platform };
    if release_promotions::end(call.db, target, &entry).await? {
        audit::seal(&call, &org).await;
        return Ok(true);
    }
    Ok(store::releases::find(call.db, &org, version, platform).await?.is_some())
}

impl From<store::Error> for PromoteError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

//! What people may do about results that could not be stored.

use domain::{ids::OrgId, time::Span};
use store::results;

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        results::{Guest, Restored, Tally},
        types::{Actor, Fault},
    },
    call::Call,
    ingestion,
};

/// Tasks that one reset touches.
const MOST_RESET: u32 = 1000;
/// How long a person is let wait for results to be stored.
const PATIENCE: Span = Span::seconds(20);

impl Guest for Component {
    async fn retry(by: Actor, limit: u32) -> Result<Tally, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "ingestion.retry");
        let org = OrgId(by.org_id);
        let tally =
            ingestion::run(&call, Some(&org), Some(entry), limit, call.now + PATIENCE).await?;
        audit::seal(&call, &org).await;
        Ok(tally)
    }

    async fn reset(by: Actor) -> Result<Restored, Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "ingestion.reset");
        let org = OrgId(by.org_id);
        let tasks = results::reset(call.db, &org, &entry, MOST_RESET).await?;
        audit::seal(&call, &org).await;
        let given_up = results::count_given_up(call.db, Some(&org)).await?;
        Ok(Restored { tasks, given_up })
    }
}

//! What people may do about results that could not be stored.

use domain::ids::OrgId;
use store::results;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        results::{Guest, Restored, Tally},
        types::{Actor, Fault},
    },
    call::Call,
    ingestion,
};

/// Tasks that one reset touches.
const MOST_RESET: u32 = 1000;

impl Guest for Component {
    async fn retry(by: Actor, limit: u32) -> Result<Tally, Fault> {
        let call = Call::begin().await?;
        ingestion::run(&call, Some(&OrgId(by.org_id)), limit).await
    }

    async fn reset(by: Actor) -> Result<Restored, Fault> {
        let call = Call::begin().await?;
        let org = OrgId(by.org_id);
        let tasks = results::reset(call.db, &org, MOST_RESET).await?;
        let given_up = results::count_given_up(call.db, Some(&org)).await?;
        Ok(Restored { tasks, given_up })
    }
}

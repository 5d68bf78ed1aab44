//! What the passing of time does to tasks.

use store::tasks::sweeps;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{task_sweeps::Guest, types::Fault},
    call::Call,
};

impl Guest for Component {
    async fn expire(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        Ok(sweeps::expire(call.db, call.now, limit).await?)
    }

    async fn fail_stale(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        Ok(sweeps::fail_stale(call.db, call.now, limit).await?)
    }

    async fn fail_overdue(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        Ok(sweeps::fail_overdue(call.db, call.now, limit).await?)
    }
}

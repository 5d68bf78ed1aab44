//! What the passing of time does to agents.

use store::{agents::sweeps, fleet::scores, rate_limits};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{agent_sweeps::Guest, types::Fault},
    call::Call,
};

impl Guest for Component {
    async fn detect_offline(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        Ok(sweeps::record_silence(call.db, call.now, limit).await?)
    }

    async fn prune_history(limit: u32) -> Result<u32, Fault> {
        let call = Call::begin()?;
        let samples = sweeps::delete_old_samples(call.db, call.now, limit).await?;
        let windows = rate_limits::delete_ended(call.db, call.now, limit).await?;
        Ok(samples.saturating_add(windows))
    }

    async fn judge_fleet() -> Result<u32, Fault> {
        let call = Call::begin()?;
        Ok(u32::from(scores::record_oldest(call.db, call.now).await?))
    }
}

//! What the passing of time does to agents.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{agent_sweeps::Guest, types::Fault},
};

impl Guest for Component {
    async fn detect_offline(_limit: u32) -> Result<u32, Fault> {
        Err(Fault::Unavailable)
    }

    async fn prune_history(_limit: u32) -> Result<u32, Fault> {
        Err(Fault::Unavailable)
    }
}

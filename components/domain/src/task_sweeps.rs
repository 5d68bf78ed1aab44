//! What the passing of time does to tasks.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{task_sweeps::Guest, types::Fault},
};

impl Guest for Component {
    async fn expire(_limit: u32) -> Result<u32, Fault> {
        Err(Fault::Unavailable)
    }

    async fn fail_stale(_limit: u32) -> Result<u32, Fault> {
        Err(Fault::Unavailable)
    }

    async fn fail_overdue(_limit: u32) -> Result<u32, Fault> {
        Err(Fault::Unavailable)
    }
}

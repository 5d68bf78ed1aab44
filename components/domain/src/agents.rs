//! The fleet as its operators see it.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        agents::{Agent, AgentFilter, AgentPage, Guest, RotateError, Rotated},
        types::{Actor, Fault},
    },
};

impl Guest for Component {
    async fn list_agents(_by: Actor, _filter: AgentFilter) -> Result<AgentPage, Fault> {
        Err(Fault::Unavailable)
    }

    async fn find_agent(_by: Actor, _id: String) -> Result<Option<Agent>, Fault> {
        Err(Fault::Unavailable)
    }

    async fn rotate_key(_by: Actor, _id: String) -> Result<Rotated, RotateError> {
        Err(RotateError::Fault(Fault::Unavailable))
    }
}

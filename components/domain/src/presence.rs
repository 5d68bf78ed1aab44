//! What an agent tells us of itself.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        presence::{Acknowledged, Guest, Heartbeat, HeartbeatError},
        types::{Device, TurnedAway},
    },
};

impl Guest for Component {
    async fn beat(_device: Device, _heartbeat: Heartbeat) -> Result<Acknowledged, HeartbeatError> {
        Err(HeartbeatError::TurnedAway(TurnedAway::Unavailable))
    }
}

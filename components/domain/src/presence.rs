//! What an agent tells us of itself.

use domain::devices;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        presence::{Acknowledged, Guest, Heartbeat, HeartbeatError},
        types::{Device, TurnedAway},
    },
    call::Call,
    device::{Window, admit, at_once, perform, presented},
    sealing,
};

impl Guest for Component {
    fn beat(device: Device, heartbeat: Heartbeat) -> Result<Acknowledged, HeartbeatError> {
        at_once(beat(&device, &heartbeat))
    }

    async fn open_pending_key(device: Device, pending_key: Vec<u8>) -> Option<String> {
        let key = sealing::key().await.ok()?;
        sealing::open(&key, &presented(&device).agent, &pending_key).ok()
    }
}

async fn beat(device: &Device, heartbeat: &Heartbeat) -> Result<Acknowledged, HeartbeatError> {
    let call = Call::begin_of_device()?;
    if !devices::is_fresh(heartbeat.sent_at.into(), call.now) {
        let admitted = admit(&call, device, Window::Requests).await?;
        return Err(HeartbeatError::Stale(admitted.budget.into()));
    }

    let presented = presented(device);
    let heartbeat = store::presence::Heartbeat {
        agent_version: &heartbeat.agent_version,
        body: &heartbeat.body.text,
        reconnect: &heartbeat.reconnect.text,
    };
    let recorded = perform(&call, device, Window::Requests, async || {
        store::presence::record_heartbeat(call.db, &presented, heartbeat, call.now).await
    })
    .await?;
    Ok(Acknowledged {
        budget: recorded.budget.into(),
        server_time: call.now.into(),
        pending_key: recorded.pending_key,
    })
}

impl From<TurnedAway> for HeartbeatError {
    fn from(it: TurnedAway) -> Self {
        Self::TurnedAway(it)
    }
}

impl From<store::Error> for HeartbeatError {
    fn from(error: store::Error) -> Self {
        Self::TurnedAway(error.into())
    }
}

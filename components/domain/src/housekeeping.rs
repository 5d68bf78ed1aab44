//! Removing what is past its retention.

use store::{agents::sweeps, housekeeping, rate_limits};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        housekeeping::{Guest, Kind},
        types::Fault,
    },
    call::Call,
};

impl Guest for Component {
    async fn delete_ended(what: Kind, limit: u32) -> Result<u32, Fault> {
        let Call { db, now } = Call::begin().await?;
        Ok(match what {
            Kind::EnrollmentTokens => housekeeping::delete_enrollment_tokens(db, now, limit).await,
            Kind::HeartbeatHistory => sweeps::delete_old_samples(db, now, limit).await,
            Kind::HeartbeatHourly => housekeeping::delete_hourly_averages(db, now, limit).await,
            Kind::AgentEvents => housekeeping::delete_events(db, now, limit).await,
            Kind::RateLimits => rate_limits::delete_ended(db, now, limit).await,
            Kind::Sessions => housekeeping::delete_sessions(db, now, limit).await,
            Kind::DeviceLogins => housekeeping::delete_device_logins(db, now, limit).await,
        }?)
    }
}

//! Removing what is past its retention, and blobs that are nobody's.

use blobs::{Bounds, Cause, Suspicion};
use domain::{secrets::hex_of, time::Span};
use store::{agents::sweeps, blob_references, blob_suspects, housekeeping, rate_limits};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        housekeeping::{Guest, Kind, SweptBlobs},
        types::Fault,
    },
    call::{self, Call},
    fault, transfers,
};

impl Guest for Component {
    async fn delete_ended(what: Kind, limit: u32) -> Result<u32, Fault> {
        let Call { db, now } = Call::begin()?;
        Ok(match what {
            Kind::EnrollmentTokens => housekeeping::delete_enrollment_tokens(db, now, limit).await,
            Kind::HeartbeatHistory => sweeps::delete_old_samples(db, now, limit).await,
            Kind::HeartbeatHourly => housekeeping::delete_hourly_averages(db, now, limit).await,
            Kind::AgentEvents => housekeeping::delete_events(db, now, limit).await,
            Kind::RateLimits => rate_limits::delete_ended(db, now, limit).await,
            Kind::RotatedRefreshTokens => housekeeping::delete_refresh_tokens(db, now, limit).await,
            Kind::Sessions => housekeeping::delete_sessions(db, now, limit).await,
            Kind::DeviceLogins => housekeeping::delete_device_logins(db, now, limit).await,
            Kind::AgentDays => housekeeping::delete_agent_days(db, now, limit).await,
            Kind::FleetDays => housekeeping::delete_fleet_days(db, now, limit).await,
            Kind::Invitations => housekeeping::delete_invitations(db, now, limit).await,
            Kind::Approvals => housekeeping::delete_approvals(db, now, limit).await,
        }?)
    }

    async fn sweep_blobs(seconds: u32) -> Result<SweptBlobs, Fault> {
        let call = Call::begin()?;
        let halfway = call.now + Span::millis(i64::from(seconds) * 500);
        let end = call.now + Span::seconds(seconds.into());
        let store = transfers::open_store().await?;
        let from = hex_of(&call::random::<32>());
        let bounds = Bounds {
            from: &from,
            is_looking_over: || call::now() > halfway,
            is_erasing_over: || call::now() > end,
        };
        let swept = store.sweep(&Suspects(&call), bounds).await;
        let swept = swept.map_err(|it| fault::unavailable(&it))?;
        Ok(SweptBlobs { deleted: swept.erased, remaining: swept.remaining })
    }
}

/// What rows know of blobs.
struct Suspects<'a>(&'a Call);

impl Suspicion for Suspects<'_> {
    async fn is_referenced(&self, sha256: &str) -> Result<bool, Cause> {
        Ok(blob_references::exist(self.0.db, sha256).await?)
    }

    async fn note(&self, names: &[&str], is_all: bool) -> Result<Vec<String>, Cause> {
        blob_suspects::delete_referenced(self.0.db).await?;
        let due = blob_suspects::record(self.0.db, names, self.0.now).await?;
        if is_all {
            blob_suspects::delete_unseen(self.0.db, self.0.now).await?;
        }
        Ok(due)
    }

    async fn claim(&self, name: &str) -> Result<bool, Cause> {
        Ok(blob_suspects::claim(self.0.db, name, self.0.now).await?)
    }
}

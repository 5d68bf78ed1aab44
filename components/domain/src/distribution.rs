//! Agent binaries, as strangers and agents fetch them.

use domain::{
    platform::Platform,
    rate_limit::{self, DOWNLOAD},
    releases::Release,
};
use store::rate_limits;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        distribution::{Checked, FetchError, Fetched, Guest},
        types::{self, Arch, Artifact, Device, Fault, Os, TurnedAway},
    },
    call::Call,
    device::{self, Window},
    transfers,
};

impl Guest for Component {
    async fn fetch_latest(
        os: Os,
        arch: Arch,
        org_id: Option<String>,
        address: String,
    ) -> Result<Fetched, FetchError> {
        let call = Call::begin()?;
        let budget = count(&call, &address).await?;
        let platform = Platform { os: os.into(), arch: arch.into() };
        let latest = match org_id {
            Some(org) => store::releases::find_latest(call.db, &org.into(), platform).await?,
            None => store::releases::find_only_latest(call.db, platform).await?,
        };
        fetch(latest, budget).await
    }

    async fn count_refused(address: String) -> Result<types::Budget, FetchError> {
        Ok(count(&Call::begin()?, &address).await?.into())
    }

    async fn fetch_update(
        device: Device,
        os: Option<Os>,
        arch: Option<Arch>,
    ) -> Result<Fetched, FetchError> {
        let call = Call::begin()?;
        let agent = device::admit(&call, &device, Window::Requests).await?;
        let platform = Platform {
            os: os.map_or(agent.platform.os, Into::into),
            arch: arch.map_or(agent.platform.arch, Into::into),
        };
        let latest = store::releases::find_latest(call.db, &agent.org, platform).await?;
        fetch(latest, agent.budget).await
    }

    async fn check_version(device: Device) -> Result<Checked, TurnedAway> {
        let call = Call::begin()?;
        let agent = device::admit(&call, &device, Window::Requests).await?;
        let latest = store::releases::find_latest(call.db, &agent.org, agent.platform).await?;
        Ok(Checked { budget: agent.budget.into(), latest: latest.map(Into::into) })
    }
}

/// Counts a stranger's download.
async fn count(call: &Call, address: &str) -> Result<rate_limit::Budget, FetchError> {
    let key = ["download:", address].concat();
    let counted = rate_limits::count(call.db, &key, DOWNLOAD, call.now).await?;
    if counted.allowed {
        Ok(counted.budget)
    } else {
        Err(FetchError::RateLimited(counted.budget.into()))
    }
}

async fn fetch(latest: Option<Release>, budget: rate_limit::Budget) -> Result<Fetched, FetchError> {
    let budget = budget.into();
    let Some(release) = latest else { return Err(FetchError::NoRelease(budget)) };
    let blobs = transfers::open_store().await?;
    match transfers::find(&blobs, &release.sha256, release.size).await? {
        None => Err(FetchError::NoBinary(budget)),
        Some(manifest) => Ok(Fetched {
            budget,
            artifact: release.into(),
            content: transfers::send(blobs, manifest),
        }),
    }
}

impl From<Release> for Artifact {
    fn from(it: Release) -> Self {
        Self {
            filename: it.filename(),
            size: it.size,
            sha256: it.sha256,
            version: Some(it.version),
        }
    }
}

impl From<Fault> for FetchError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<store::Error> for FetchError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<TurnedAway> for FetchError {
    fn from(turned_away: TurnedAway) -> Self {
        Self::TurnedAway(turned_away)
    }
}

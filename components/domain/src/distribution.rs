//! Agent binaries, as strangers and agents fetch them.

use domain::{
    platform::Platform,
    rate_limit::{self, DOWNLOAD},
    releases::Release,
};

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        distribution::{Checked, FetchError, Fetched, Guest},
        types::{Arch, Artifact, Budget, Device, Fault, Os, TurnedAway, Uncounted},
    },
    call::Call,
    device::{self, Window},
    strangers, transfers,
};

impl Guest for Component {
    async fn fetch_latest(
        os: Os,
        arch: Arch,
        org_id: Option<String>,
        address: String,
    ) -> Result<Fetched, FetchError> {
        let call = Call::begin()?;
        let budget = strangers::count(&call, "download", &address, DOWNLOAD).await?;
        let platform = Platform { os: os.into(), arch: arch.into() };
        let latest = match org_id {
            Some(org) => store::releases::find_latest(call.db, &org.into(), platform).await?,
            None => store::releases::find_only_latest(call.db, platform).await?,
        };
        fetch(latest, budget).await
    }

    async fn count_refused(address: String) -> Result<Budget, Uncounted> {
        let call = Call::begin()?;
        Ok(strangers::count(&call, "download", &address, DOWNLOAD).await?.into())
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

impl From<Uncounted> for FetchError {
    fn from(it: Uncounted) -> Self {
        match it {
            Uncounted::RateLimited(budget) => Self::RateLimited(budget),
            Uncounted::Fault(fault) => Self::Fault(fault),
        }
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

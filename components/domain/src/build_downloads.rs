//! Test binaries, as agents fetch them.

use domain::builds::last_component;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        build_downloads::{FetchError, Fetched, Guest},
        types::{Device, Fault, TurnedAway},
    },
    call::Call,
    device::{self, Window},
    transfers,
};

impl Guest for Component {
    async fn fetch(device: Device, test_uuid: String, name: String) -> Result<Fetched, FetchError> {
        let call = Call::begin()?;
        let agent = device::admit(&call, &device, Window::Requests).await?;
        let not_found = || FetchError::NotFound(agent.budget.into());

        let (test, name) = (last_component(&test_uuid), last_component(&name));
        let id = device.agent_id.into();
        let build = store::builds::find_for_agent(call.db, &agent.org, &id, test).await?;
        let build = build.filter(|it| it.filename == name).ok_or_else(not_found)?;

        let blobs = transfers::open_store().await?;
        let bytes = transfers::find(&blobs, &build.sha256, build.size).await?;
        Ok(Fetched {
            budget: agent.budget.into(),
            artifact: build.into(),
            content: transfers::send(blobs, bytes.ok_or_else(not_found)?),
        })
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

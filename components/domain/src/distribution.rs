//! Agent binaries, as strangers and agents fetch them.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        distribution::{Checked, FetchError, Fetched, Guest},
        types::{Arch, Device, Fault, Os, TurnedAway},
    },
};

impl Guest for Component {
    async fn fetch_latest(
        _os: Os,
        _arch: Arch,
        _org_id: Option<String>,
        _address: String,
    ) -> Result<Fetched, FetchError> {
        Err(FetchError::Fault(Fault::Unavailable))
    }

    async fn fetch_update(
        _device: Device,
        _os: Option<Os>,
        _arch: Option<Arch>,
    ) -> Result<Fetched, FetchError> {
        Err(FetchError::Fault(Fault::Unavailable))
    }

    async fn check_version(_device: Device) -> Result<Checked, TurnedAway> {
        Err(TurnedAway::Unavailable)
    }
}

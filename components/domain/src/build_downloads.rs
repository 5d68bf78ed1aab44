//! Test binaries, as agents fetch them.

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        build_downloads::{FetchError, Fetched, Guest},
        types::{Device, Fault},
    },
};

impl Guest for Component {
    async fn fetch(
        _device: Device,
        _test_uuid: String,
        _name: String,
    ) -> Result<Fetched, FetchError> {
        Err(FetchError::Fault(Fault::Unavailable))
    }
}

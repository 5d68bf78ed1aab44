//! Test binaries, as operators upload them.

use spin_sdk::wit_bindgen::StreamReader;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        builds::{Build, Guest, Opened, Platform, Upload, UploadError},
        types::{Actor, Fault},
    },
};

impl Guest for Component {
    async fn receive(
        _by: Actor,
        _content: StreamReader<u8>,
        _max_bytes: u64,
    ) -> Result<Upload, UploadError> {
        Err(UploadError::Fault(Fault::Unavailable))
    }

    async fn discard(_by: Actor, _upload: Upload) -> Result<(), Fault> {
        Err(Fault::Unavailable)
    }

    async fn register(
        _by: Actor,
        _test_uuid: String,
        _upload: Upload,
        _platform: Platform,
    ) -> Result<Build, Fault> {
        Err(Fault::Unavailable)
    }

    async fn find_build(_by: Actor, _test_uuid: String) -> Result<Option<Build>, Fault> {
        Err(Fault::Unavailable)
    }

    async fn open(_by: Actor, _test_uuid: String) -> Result<Option<Opened>, Fault> {
        Err(Fault::Unavailable)
    }

    async fn remove(_by: Actor, _test_uuid: String) -> Result<(), Fault> {
        Err(Fault::Unavailable)
    }
}

//! Agent binaries, as operators publish them.

use spin_sdk::wit_bindgen::StreamReader;

use crate::{
    Component,
    bindings::exports::myrmidon::domain::{
        releases::{Guest, NewRelease, Upload, UploadError},
        types::{Actor, Arch, Fault, Os, Release},
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

    async fn publish(_by: Actor, _release: NewRelease, _upload: Upload) -> Result<Release, Fault> {
        Err(Fault::Unavailable)
    }

    async fn list_releases(_by: Actor, _limit: u32, _offset: u32) -> Result<Vec<Release>, Fault> {
        Err(Fault::Unavailable)
    }

    async fn withdraw(_by: Actor, _version: String, _os: Os, _arch: Arch) -> Result<bool, Fault> {
        Err(Fault::Unavailable)
    }
}

//! Test binaries, as operators upload them.

use blobs::{Limits, Refused};
use domain::{
    builds,
    executable::{self, Unrecognised},
    platform,
};
use spin_sdk::wit_bindgen::StreamReader;

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        builds::{Build, Format, Guest, Opened, Platform, Upload, UploadError},
        types::{Actor, Artifact, Fault},
    },
    call::Call,
    fault, transfers,
};

impl Guest for Component {
    async fn receive(
        _by: Actor,
        content: StreamReader<u8>,
        max_bytes: u64,
    ) -> Result<Upload, UploadError> {
        let limits = Limits { bytes: max_bytes, head_bytes: executable::HEAD_BYTES };
        let recognise = |head: &[u8]| executable::recognise(head).map_err(UploadError::from);
        let (upload, format) = transfers::receive(content, limits, recognise).await?;
        let blobs::Upload { id, sha256, size } = upload;
        Ok(Upload { id, sha256, size, format: format.into() })
    }

    async fn discard(_by: Actor, upload: Upload) -> Result<(), Fault> {
        transfers::discard(&upload.into()).await
    }

    async fn register(
        by: Actor,
        test_uuid: String,
        upload: Upload,
        platform: Platform,
    ) -> Result<Build, Fault> {
        let call = Call::begin()?;
        let bytes = upload.sha256.parse().map_err(|it| fault::unavailable(&it))?;
        let build =
            builds::Build::of_upload(&test_uuid, platform.into(), bytes, upload.size, call.now);

        let entry = audit::entry(&call, &by, "build.upload");
        let org = by.org_id.into();
        let replaced = store::builds::register(call.db, &org, &test_uuid, &build, &entry).await?;
        audit::seal(&call, &org).await;
        let blobs = transfers::open_store().await?;
        transfers::settle(&blobs, call.db, &upload.into()).await?;
        if let Some(sha256) = replaced {
            transfers::release(&blobs, call.db, &sha256).await;
        }
        Ok(build.into())
    }

    async fn find_build(by: Actor, test_uuid: String) -> Result<Option<Build>, Fault> {
        let call = Call::begin()?;
        let found = store::builds::find(call.db, &by.org_id.into(), &test_uuid).await?;
        let Some(build) = found else { return Ok(None) };
        let blobs = transfers::open_store().await?;
        let bytes = transfers::find(&blobs, &build.sha256, build.size).await?;
        Ok(bytes.map(|_| build.into()))
    }

    async fn open(by: Actor, test_uuid: String) -> Result<Option<Opened>, Fault> {
        let call = Call::begin()?;
        let found = store::builds::find(call.db, &by.org_id.into(), &test_uuid).await?;
        let Some(build) = found else { return Ok(None) };
        let blobs = transfers::open_store().await?;
        let bytes = transfers::find(&blobs, &build.sha256, build.size).await?;
        Ok(bytes.map(|manifest| Opened {
            artifact: build.into(),
            content: transfers::send(blobs, manifest),
        }))
    }

    async fn remove(by: Actor, test_uuid: String) -> Result<(), Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "build.remove");
        let org = by.org_id.into();
        let removed = store::builds::delete(call.db, &org, &test_uuid, &entry).await?;
        audit::seal(&call, &org).await;
        if let Some(sha256) = removed {
            transfers::release(&transfers::open_store().await?, call.db, &sha256).await;
        }
        Ok(())
    }
}

impl From<Refused> for UploadError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge => Self::TooLarge,
            Refused::Empty => Self::Empty,
            Refused::Store(error) => Self::Fault(fault::unavailable(&error)),
        }
    }
}

impl From<Unrecognised> for UploadError {
    fn from(unrecognised: Unrecognised) -> Self {
        match unrecognised {
            Unrecognised::UnknownFormat => Self::UnknownFormat,
            Unrecognised::UnsupportedPlatform(name) => Self::UnsupportedPlatform(name),
        }
    }
}

impl From<Fault> for UploadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Upload> for blobs::Upload {
    fn from(it: Upload) -> Self {
        Self { id: it.id, sha256: it.sha256, size: it.size }
    }
}

impl From<executable::Format> for Format {
    fn from(it: executable::Format) -> Self {
        match it {
            executable::Format::Executable(platform) => Self::Executable(platform.into()),
            executable::Format::Universal => Self::Universal,
            executable::Format::Portable => Self::Portable,
        }
    }
}

impl From<platform::Platform> for Platform {
    fn from(it: platform::Platform) -> Self {
        Self { os: it.os.into(), arch: it.arch.into() }
    }
}

impl From<Platform> for platform::Platform {
    fn from(it: Platform) -> Self {
        Self { os: it.os.into(), arch: it.arch.into() }
    }
}

impl From<builds::Build> for Build {
    fn from(it: builds::Build) -> Self {
        Self {
            platform: it.platform.into(),
            signed: it.signed,
            size: it.size,
            built_at: it.built_at.into(),
            filename: it.filename,
        }
    }
}

impl From<builds::Build> for Artifact {
    fn from(it: builds::Build) -> Self {
        Self { filename: it.filename, size: it.size, sha256: it.sha256, version: None }
    }
}

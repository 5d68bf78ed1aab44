//! Agent binaries, as operators publish them.

use blobs::{Limits, Refused};
use domain::{ids::OrgId, platform::Platform, releases, secrets::Secret, signing::SigningKey};
use spin_sdk::wit_bindgen::StreamReader;

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        releases::{Guest, NewRelease, Upload, UploadError},
        types::{Actor, Arch, Fault, Os, Release},
    },
    call::{self, Call},
    configuration, fault, transfers,
};

const SIGNING_KEY: &str = "signing_private_key_b64";

impl Guest for Component {
    async fn receive(
        _by: Actor,
        content: StreamReader<u8>,
        max_bytes: u64,
    ) -> Result<Upload, UploadError> {
        // What could not be signed is not taken either.
        signing_key().await?;
        let limits = Limits { bytes: max_bytes, head_bytes: 0 };
        let (upload, ()) =
            transfers::receive(content, limits, |_| Ok::<_, UploadError>(())).await?;
        Ok(upload.into())
    }

    async fn discard(_by: Actor, upload: Upload) -> Result<(), Fault> {
        transfers::discard(&upload.into()).await
    }

    async fn publish(by: Actor, release: NewRelease, upload: Upload) -> Result<Release, Fault> {
        let call = Call::begin().await?;
        let key = signing_key().await?;
        let bytes = upload.sha256.parse().map_err(|it| fault::unavailable(&it))?;

        let mut release =
            releases::NewRelease::from(release).publish(bytes, upload.size, &key, call.now);

        let entry = audit::entry(&call, &by, "version.publish");
        let org = by.org_id.into();
        let approval = call::sortable_id(call.now);
        let registered =
            store::releases::register(call.db, &org, &release, &approval, &entry).await?;
        release.awaiting_approval = registered.awaiting_approval;
        audit::seal(&call, &org).await;
        let blobs = transfers::open_store().await?;
        transfers::settle(&blobs, &upload.into()).await?;
        if let Some(sha256) = registered.replaced {
            transfers::release(&blobs, call.db, &sha256).await;
        }
        Ok(release.into())
    }

    async fn list_releases(by: Actor, limit: u32, offset: u32) -> Result<Vec<Release>, Fault> {
        let call = Call::begin().await?;
        let org = by.org_id.into();
        let releases = store::releases::list(call.db, &org, limit, offset).await?;
        Ok(releases.into_iter().map(Release::from).collect())
    }

    async fn withdraw(by: Actor, version: String, os: Os, arch: Arch) -> Result<bool, Fault> {
        let call = Call::begin().await?;
        let entry = audit::entry(&call, &by, "version.withdraw");
        let org = OrgId::from(by.org_id);
        let platform = Platform { os: os.into(), arch: arch.into() };
        let withdrawn = store::releases::delete(call.db, &org, &version, platform, &entry).await?;
        audit::seal(&call, &org).await;
        if let Some(sha256) = &withdrawn {
            transfers::release(&transfers::open_store().await?, call.db, sha256).await;
        }
        Ok(withdrawn.is_some())
    }
}

async fn signing_key() -> Result<SigningKey, Fault> {
    let text = Secret::new(configuration::required(SIGNING_KEY).await?);
    SigningKey::from_pkcs8(&text).map_err(|error| {
        fault::log(&error);
        fault::misconfigured(SIGNING_KEY)
    })
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

impl From<Fault> for UploadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<blobs::Upload> for Upload {
    fn from(it: blobs::Upload) -> Self {
        Self { id: it.id, sha256: it.sha256, size: it.size }
    }
}

impl From<Upload> for blobs::Upload {
    fn from(it: Upload) -> Self {
        Self { id: it.id, sha256: it.sha256, size: it.size }
    }
}

impl From<NewRelease> for releases::NewRelease {
    fn from(it: NewRelease) -> Self {
        Self {
            version: it.version,
            platform: Platform { os: it.os.into(), arch: it.arch.into() },
            notes: it.release_notes,
            mandatory: it.mandatory,
        }
    }
}

impl From<releases::Release> for Release {
    fn from(it: releases::Release) -> Self {
        Self {
            binary_path: it.binary_path(),
            version: it.version,
            os: it.platform.os.into(),
            arch: it.platform.arch.into(),
            binary_sha256: it.sha256,
            binary_size: it.size,
            release_notes: it.notes,
            mandatory: it.mandatory,
            signed: it.signed,
            binary_signature: it.signature,
            created_at: it.created_at.into(),
            awaiting_approval: it.awaiting_approval,
        }
    }
}

//! Agent binaries, as operators publish them.

mod promotion;

use blobs::{Limits, Refused};
use domain::{
    ids::OrgId, platform::Platform, releases, secrets::Secret, signing::SigningKey, time::Timestamp,
};
use spin_sdk::wit_bindgen::StreamReader;

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        releases::{
            Guest, NewRelease, PromoteError, Promotion, ReleaseFilter, ReleaseKey, ReleasePage,
            Upload, UploadError,
        },
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
        let call = Call::begin()?;
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
        release.promoted = registered.promoted;
        audit::seal(&call, &org).await;
        let blobs = transfers::open_store().await?;
        transfers::settle(&blobs, call.db, &upload.into()).await?;
        if let Some(sha256) = registered.replaced {
            transfers::release(&blobs, call.db, &sha256).await;
        }
        Ok(release.into())
    }

    async fn list_releases(by: Actor, filter: ReleaseFilter) -> Result<ReleasePage, Fault> {
        let call = Call::begin()?;
        let org = by.org_id.into();
        let wanted = store::releases::Filter {
            os: filter.os.map(Into::into),
            arch: filter.arch.map(Into::into),
        };
        let total = store::releases::count(call.db, &org, wanted).await?;
        if filter.limit == 0 {
            return Ok(ReleasePage { releases: Vec::new(), total, next: None });
        }
        let after = filter.after.map(Into::into);
        // A cursor says where; nothing is left out beside it.
        let offset = if after.is_some() { 0 } else { filter.offset };
        let page = (filter.limit.saturating_add(1), offset);
        let mut found = store::releases::list(call.db, &org, wanted, after.as_ref(), page).await?;
        let goes_on = found.len() > filter.limit as usize;
        found.truncate(filter.limit as usize);
        let next = found.last().filter(|_| goes_on).map(ReleaseKey::from);
        Ok(ReleasePage { releases: found.into_iter().map(Release::from).collect(), total, next })
    }

    async fn promote(
        by: Actor,
        version: String,
        os: Os,
        arch: Arch,
    ) -> Result<Promotion, PromoteError> {
        promotion::promote(&by, &version, Platform { os: os.into(), arch: arch.into() }).await
    }

    async fn unpromote(by: Actor, version: String, os: Os, arch: Arch) -> Result<bool, Fault> {
        promotion::unpromote(&by, &version, Platform { os: os.into(), arch: arch.into() }).await
    }

    async fn withdraw(by: Actor, version: String, os: Os, arch: Arch) -> Result<bool, Fault> {
        let call = Call::begin()?;
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
            promoted: it.promoted,
        }
    }
}

impl From<&releases::Release> for ReleaseKey {
    fn from(it: &releases::Release) -> Self {
        Self {
            created_at: it.created_at.into(),
            version: it.version.clone(),
            os: it.platform.os.into(),
            arch: it.platform.arch.into(),
        }
    }
}

impl From<ReleaseKey> for store::releases::Key {
    fn from(it: ReleaseKey) -> Self {
        Self {
            created_at: Timestamp(it.created_at.unix_ms),
            version: it.version,
            platform: Platform { os: it.os.into(), arch: it.arch.into() },
        }
    }
}

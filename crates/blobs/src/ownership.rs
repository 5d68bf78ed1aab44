//! Whose bytes they are, so that the same bytes are stored once and deleted only when nobody refers
//! to them any more.
//!
//! The store compares and swaps nothing, so the order of steps carries it. References live elsewhere
//! (rows), and change in one step each:
//!
//! - An uploader saves its row first and settles then. Only a *settled* manifest is relied upon, so
//!   nobody ever depends on chunks whose uploader may still take them back. A deleter leaves what is not
//!   settled to its uploader, who therefore looks for its row once more, and deletes the bytes without.
//! - A deleter deletes its row first, then the manifest, and then looks for references once more. A row
//!   that it does not see then was saved later, so its uploader finds no manifest, and brings its own
//!   chunks. A row that it does see may rely on the manifest, which is put back.
//!
//! What is not covered: two deletions and two uploads of the same bytes within the same few
//! milliseconds may leave a row whose bytes are gone. Reading then fails visibly, and uploading
//! again repairs it.

use crate::{
    Blobs, Cause, Error, Manifest, Upload, Values,
    manifest::{self, chunk_key},
};

impl<V: Values> Blobs<V> {
    /// Ends an upload to which something now refers: the bytes are stored once and stay.
    ///
    /// Repairs a stored blob of the same bytes that lost some of its chunks. To be followed by
    /// [`Blobs::release`], for whoever deleted the reference meanwhile left the bytes to us.
    pub async fn settle(&self, upload: &Upload) -> Result<(), Error> {
        let present = match self.find(&upload.sha256).await {
            Err(Error::Damaged { .. }) => None,
            other => other?,
        };
        match present {
            Some(it) if it.upload == upload.id && it.settled => Ok(()),
            Some(it) if it.upload != upload.id && it.settled && self.is_whole(&it).await? => {
                self.erase_chunks(&upload.id, self.own(upload).chunks()).await
            }
            // Whoever took our manifest away may have taken our chunks as well.
            None if !self.is_whole(&self.own(upload)).await? => {
                Err(Error::Damaged { key: manifest::key(&upload.sha256) })
            }
            Some(_) | None => self.write_manifest(&upload.sha256, &self.own(upload)).await,
        }
    }

    /// Ends an upload to which nothing will refer.
    pub async fn discard(
        &self,
        upload: &Upload,
        is_referenced: impl AsyncFn() -> Result<bool, Cause>,
    ) -> Result<(), Error> {
        match self.find(&upload.sha256).await? {
            Some(it) if it.upload == upload.id => {
                self.retire(&upload.sha256, it, is_referenced).await.map(drop)
            }
            Some(_) | None => self.erase_chunks(&upload.id, self.own(upload).chunks()).await,
        }
    }

    /// Deletes the bytes unless something still refers to them. To be called after the reference was
    /// deleted.
    pub async fn release(
        &self,
        sha256: &str,
        is_referenced: impl AsyncFn() -> Result<bool, Cause>,
    ) -> Result<(), Error> {
        if is_referenced().await.map_err(Error::Unavailable)? {
            return Ok(());
        }
        match self.find(sha256).await? {
            Some(it) if it.settled => self.retire(sha256, it, is_referenced).await.map(drop),
            // Not settled: its uploader is still at work and will see to it.
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the bytes are gone; they stay when something refers to them nevertheless.
    pub(crate) async fn retire(
        &self,
        sha256: &str,
        manifest: Manifest,
        is_referenced: impl AsyncFn() -> Result<bool, Cause>,
    ) -> Result<bool, Error> {
        self.delete_manifest(sha256).await?;
        match is_referenced().await {
            Ok(false) => {
                self.erase_chunks(&manifest.upload, manifest.chunks()).await.map(|()| true)
            }
            Ok(true) => self.restore(sha256, manifest).await.map(|()| false),
            Err(cause) => {
                self.restore(sha256, manifest).await?;
                Err(Error::Unavailable(cause))
            }
        }
    }

    /// Unless an uploader was quicker. Then our chunks stay behind, for want of certainty that nobody
    /// relies on them, until [`Blobs::sweep`] finds them.
    async fn restore(&self, sha256: &str, manifest: Manifest) -> Result<(), Error> {
        match self.find(sha256).await? {
            Some(_) => Ok(()),
            None => self.write_manifest(sha256, &Manifest { settled: true, ..manifest }).await,
        }
    }

    fn own(&self, upload: &Upload) -> Manifest {
        Manifest::of(upload, self.chunk_bytes, true)
    }

    async fn is_whole(&self, manifest: &Manifest) -> Result<bool, Error> {
        for index in 0..manifest.chunks() {
            let key = chunk_key(&manifest.upload, index);
            if !self.values.exists(&key).await.map_err(Error::Unavailable)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

//! Receiving a blob, piece by piece.

use domain::secrets::hex_of;
use sha2::{Digest as _, Sha256};

use crate::{
    Blobs, Error, Upload, Values,
    manifest::{Manifest, chunk_key},
};

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of the whole upload.
    pub bytes: u64,
    /// How much of its beginning to keep, for telling what it is.
    pub head_bytes: usize,
}

/// Takes bytes as they come and stores them in chunks. Dropped without [`Writer::finish`] or
/// [`Writer::abort`] it leaves chunks behind that nothing names, until [`Blobs::sweep`] finds them.
#[derive(Debug)]
pub struct Writer<'a, V> {
    blobs: &'a Blobs<V>,
    upload: String,
    limits: Limits,
    digest: Sha256,
    head: Vec<u8>,
    chunk: Vec<u8>,
    chunks: u64,
    size: u64,
    /// Whether the manifest may have been written, even if we were told that it was not.
    offered: bool,
}

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("upload larger than allowed")]
    TooLarge,
    #[error("upload without a byte")]
    Empty,
    #[error(transparent)]
    Store(#[from] Error),
}

impl<'a, V: Values> Writer<'a, V> {
    pub(crate) fn new(blobs: &'a Blobs<V>, upload: &str, limits: Limits) -> Self {
        Self {
            blobs,
            upload: upload.to_owned(),
            limits,
            digest: Sha256::new(),
            head: Vec::new(),
            chunk: Vec::new(),
            chunks: 0,
            size: 0,
            offered: false,
        }
    }

    /// Refuses at the first byte over the limit; what came before it is stored until [`Writer::abort`].
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.limits.bytes {
            return Err(Refused::TooLarge);
        }
        self.digest.update(bytes);
        let wanted = self.limits.head_bytes.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..wanted.min(bytes.len())]);
        while !bytes.is_empty() {
            let room = self.blobs.chunk_bytes as usize - self.chunk.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == self.blobs.chunk_bytes as usize {
                self.store_chunk().await?;
            }
        }
        Ok(())
    }

    /// Whether nothing was pushed yet.
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The beginning of what was pushed.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Makes the bytes visible. Where the same bytes are stored already, ours are kept beside them
    /// until [`Blobs::settle`] or [`Blobs::discard`]: those others may be on their way out.
    pub async fn finish(&mut self) -> Result<Upload, Refused> {
        if self.size == 0 {
            return Err(Refused::Empty);
        }
        if !self.chunk.is_empty() {
            self.store_chunk().await?;
        }
        let sha256 = hex_of(&self.digest.finalize_reset());
        let upload = Upload { id: self.upload.clone(), sha256, size: self.size };
        if self.blobs.find(&upload.sha256).await?.is_none() {
            self.offered = true;
            let manifest = Manifest::of(&upload, self.blobs.chunk_bytes, false);
            self.blobs.write_manifest(&upload.sha256, &manifest).await?;
        }
        Ok(upload)
    }

    /// Deletes what was stored. After a failed [`Writer::finish`] that may have made the bytes
    /// visible they stay: whole and unused harms nobody, visible and incomplete would.
    pub async fn abort(self) -> Result<(), Error> {
        if self.offered {
            return Ok(());
        }
        // One more than we know of: its write may have succeeded without our being told.
        self.blobs.erase_chunks(&self.upload, self.chunks + 1).await
    }

    async fn store_chunk(&mut self) -> Result<(), Error> {
        let key = chunk_key(&self.upload, self.chunks);
        self.blobs.values.write(&key, &self.chunk).await.map_err(Error::Unavailable)?;
        self.chunks += 1;
        self.chunk.clear();
        Ok(())
    }
}

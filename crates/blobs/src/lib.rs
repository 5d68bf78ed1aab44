//! Files as values of a key-value store: chunked, addressed by content, stored once, private.
//!
//! An upload writes its bytes as chunks `blob/<upload>/<n>` and, last of all, a manifest
//! `blob/<sha256>` that names them: what is half-written is never visible. Who may see a blob, and
//! what refers to it, is the caller's business. Memory holds one chunk at a time in both directions.

mod manifest;
mod orphans;
mod ownership;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::error::Error as StdError;

pub use manifest::Manifest;
pub use orphans::{Bounds, Suspicion, Swept};
pub use reader::Reader;
pub use writer::{Limits, Refused, Writer};

/// What lies behind a failure of the store.
pub type Cause = Box<dyn StdError + Send + Sync>;

const CHUNK_BYTES: u32 = 512 * 1024;

/// The one thing we ask of a store: byte values by key. A single write happens whole or not at all.
pub trait Values {
    fn read(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, Cause>>;
    fn exists(&self, key: &str) -> impl Future<Output = Result<bool, Cause>>;
    fn write(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), Cause>>;
    /// Succeeds, too, when there is nothing to delete.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), Cause>>;
    /// Shows each key, in any order. What comes or goes meanwhile may be among them or not.
    fn each_key(&self, take: &mut dyn FnMut(&str)) -> impl Future<Output = Result<(), Cause>>;
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("blob store unavailable")]
    Unavailable(#[source] Cause),
    #[error("value `{key}` is missing or not what its blob needs")]
    Damaged { key: String },
}

/// Bytes that arrived, whole. They are nobody's until [`Blobs::settle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub id: String,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub size: u64,
}

#[derive(Debug, Clone)]
pub struct Blobs<V> {
    values: V,
    chunk_bytes: u32,
}

impl<V: Values> Blobs<V> {
    pub const fn new(values: V) -> Self {
        Self { values, chunk_bytes: CHUNK_BYTES }
    }

    /// Starts an upload under an id that no other ever had.
    pub fn writer(&self, upload: &str, limits: Limits) -> Writer<'_, V> {
        Writer::new(self, upload, limits)
    }

    /// None when no such bytes are stored whole.
    pub async fn find(&self, sha256: &str) -> Result<Option<Manifest>, Error> {
        let key = manifest::key(sha256);
        match self.values.read(&key).await.map_err(Error::Unavailable)? {
            None => Ok(None),
            Some(value) => Manifest::parse(&value).map(Some).ok_or(Error::Damaged { key }),
        }
    }

    pub const fn reader(&self, manifest: Manifest) -> Reader<'_, V> {
        Reader::new(&self.values, manifest)
    }
}

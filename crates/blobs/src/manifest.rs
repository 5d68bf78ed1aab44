//! The manifest: the value that makes chunks a blob.

use serde::{Deserialize, Serialize};

use crate::{Blobs, Error, Upload, Values};

/// What is numbered higher is no chunk of ours.
const MOST_CHUNKS: u64 = 1 << 20;

/// Which upload's chunks hold the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub(crate) upload: String,
    pub size: u64,
    pub(crate) chunk_bytes: u32,
    /// Whether something refers to the bytes, as far as we know. Until then they belong to their
    /// uploader alone, who may take them back; afterwards to all who refer to them.
    pub(crate) settled: bool,
}

pub(crate) fn key(sha256: &str) -> String {
    format!("blob/{sha256}")
}

pub(crate) fn chunk_key(upload: &str, index: u64) -> String {
    format!("blob/{upload}/{index}")
}

/// Which blob's manifest this key is of.
pub(crate) fn digest_of(key: &str) -> Option<&str> {
    let digest = key.strip_prefix("blob/")?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit());
    is_digest.then_some(digest)
}

/// Which upload's chunk this key is of, and which one.
pub(crate) fn chunk_of(key: &str) -> Option<(&str, u64)> {
    let (upload, index) = key.strip_prefix("blob/")?.split_once('/')?;
    let index = index.parse().ok().filter(|it| *it < MOST_CHUNKS)?;
    Some((upload, index))
}

impl Manifest {
    pub(crate) fn of(upload: &Upload, chunk_bytes: u32, settled: bool) -> Self {
        Self { upload: upload.id.clone(), size: upload.size, chunk_bytes, settled }
    }

    /// None when the value is no manifest of ours.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(value).ok()?;
        (manifest.chunk_bytes > 0).then_some(manifest)
    }

    pub(crate) fn chunks(&self) -> u64 {
        self.size.div_ceil(u64::from(self.chunk_bytes))
    }

    /// How many bytes the chunk must have; 0 past the end.
    pub(crate) fn length_of(&self, index: u64) -> u64 {
        let chunk_bytes = u64::from(self.chunk_bytes);
        self.size.saturating_sub(index.saturating_mul(chunk_bytes)).min(chunk_bytes)
    }
}

impl<V: Values> Blobs<V> {
    pub(crate) async fn write_manifest(&self, sha256: &str, it: &Manifest) -> Result<(), Error> {
        let value = serde_json::to_vec(it).map_err(|it| Error::Unavailable(it.into()))?;
        self.values.write(&key(sha256), &value).await.map_err(Error::Unavailable)
    }

    pub(crate) async fn delete_manifest(&self, sha256: &str) -> Result<(), Error> {
        self.values.delete(&key(sha256)).await.map_err(Error::Unavailable)
    }

    pub(crate) async fn erase_chunks(&self, upload: &str, chunks: u64) -> Result<(), Error> {
        for index in 0..chunks {
            let key = chunk_key(upload, index);
            self.values.delete(&key).await.map_err(Error::Unavailable)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest(size: u64) -> Manifest {
        Manifest { upload: "u".into(), size, chunk_bytes: 4, settled: true }
    }

    #[test]
    fn the_last_chunk_holds_the_rest() {
        let lengths = |size| {
            let it = manifest(size);
            (0..it.chunks()).map(|index| it.length_of(index)).collect::<Vec<_>>()
        };
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(3), [3]);
        assert_eq!(lengths(4), [4]);
        assert_eq!(lengths(9), [4, 4, 1]);
    }

    #[test]
    fn keys_say_what_they_are_of() {
        let digest = "0f".repeat(32);
        assert_eq!(digest_of(&key(&digest)), Some(digest.as_str()));
        assert_eq!(chunk_of(&key(&digest)), None);
        assert_eq!(chunk_of(&chunk_key("u", 7)), Some(("u", 7)));
        assert_eq!(digest_of(&chunk_key("u", 7)), None);
        for other in ["oidc/keys", "blob/u", "blob/u/x", "blob/u/1/2", "blob/u/1048576"] {
            assert_eq!((digest_of(other), chunk_of(other)), (None, None), "{other}");
        }
    }

    #[test]
    fn a_manifest_that_would_divide_by_zero_is_none() {
        let value = br#"{"upload":"u","size":1,"chunk_bytes":0,"settled":true}"#;
        assert_eq!(Manifest::parse(value), None);
    }

    proptest! {
        #[test]
        fn chunks_add_up_to_the_size(size in 0_u64..10_000) {
            let it = manifest(size);
            prop_assert_eq!((0..it.chunks()).map(|n| it.length_of(n)).sum::<u64>(), size);
            prop_assert_eq!(it.length_of(it.chunks()), 0);
        }
    }
}

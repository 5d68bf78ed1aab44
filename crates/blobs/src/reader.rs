//! Reading a blob, chunk by chunk.

use crate::{Error, Manifest, Values, manifest::chunk_key};

/// Yields the chunks in order. Each is checked for its length; a blob that was deleted meanwhile is
/// an error, never a short read that looks whole.
#[derive(Debug)]
pub struct Reader<'a, V> {
    values: &'a V,
    manifest: Manifest,
    index: u64,
}

impl<'a, V: Values> Reader<'a, V> {
    pub(crate) const fn new(values: &'a V, manifest: Manifest) -> Self {
        Self { values, manifest, index: 0 }
    }

    /// None after the last chunk.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.index == self.manifest.chunks() {
            return Ok(None);
        }
        let key = chunk_key(&self.manifest.upload, self.index);
        let chunk = self.values.read(&key).await.map_err(Error::Unavailable)?;
        let expected = self.manifest.length_of(self.index);
        match chunk.filter(|it| u64::try_from(it.len()) == Ok(expected)) {
            None => Err(Error::Damaged { key }),
            Some(chunk) => {
                self.index += 1;
                Ok(Some(chunk))
            }
        }
    }
}

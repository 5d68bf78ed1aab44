//! What nobody needs any more: blobs that nothing refers to, because their removal failed half-way, and
//! chunks that no manifest names, because their upload was never finished.
//!
//! A look at the store cannot tell the dead from what is just coming or going: bytes of an upload have
//! no manifest yet, and a deletion that finds a new reference puts its manifest back. Therefore nothing
//! is erased that was not found so by two sweeps with more time between them than anybody is at work.
//! What is due then is deleted in the order of [`Blobs::release`], which withstands whoever refers to
//! the same bytes at that moment.
//!
//! A sweep that has no time for the whole store does what it can: it begins somewhere else each time,
//! leaves the chunks of unfinished uploads, which only a look at all manifests tells from others, and
//! forgets nothing that it did not look at, unless something refers to it.
//!
//! Memory holds the digests of all blobs, at most [`MOST_BLOBS`], and what is suspected; keys and
//! manifests pass one by one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Blobs, Cause, Error, Values,
    manifest::{chunk_of, digest_of},
};

/// In a larger store chunks stay: which of them are named cannot be known.
const MOST_BLOBS: usize = 100_000;
/// What one sweep suspects. The rest is found when these are gone.
const MOST_SUSPECTS: usize = 10_000;

/// What a sweep needs to know that the store does not.
pub trait Suspicion {
    fn is_referenced(&self, sha256: &str) -> impl Future<Output = Result<bool, Cause>>;
    /// Forgets what is referred to; notes what looks like nobody's, and when `is_all`, forgets all that no
    /// longer does. Returns what has looked so for longer than any upload or deletion is at work.
    fn note(
        &self,
        names: &[&str],
        is_all: bool,
    ) -> impl Future<Output = Result<Vec<String>, Cause>>;
    /// `false` when another sweep was faster.
    fn claim(&self, name: &str) -> impl Future<Output = Result<bool, Cause>>;
}

/// Where a sweep begins, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a, L, E> {
    /// The first digest that is looked at, or the next one there is.
    pub from: &'a str,
    pub is_looking_over: L,
    pub is_erasing_over: E,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs and unfinished uploads.
    pub erased: u32,
    /// Whether a bound was reached before the end.
    pub remaining: bool,
}

/// What looks like nobody's.
#[derive(Debug, Default)]
struct Suspects {
    /// Digests of blobs.
    unreferenced: BTreeSet<String>,
    /// Uploads, and how many chunks each has at most.
    unnamed: BTreeMap<String, u64>,
    /// Whether there is more than was looked at.
    more: bool,
}

impl<V: Values> Blobs<V> {
    /// Erases what was nobody's for long enough. Several at once erase everything once.
    pub async fn sweep<L: Fn() -> bool, E: Fn() -> bool>(
        &self,
        suspicion: &impl Suspicion,
        bounds: Bounds<'_, L, E>,
    ) -> Result<Swept, Error> {
        let suspects = self.suspects(suspicion, &bounds).await?;
        let names = suspects.unreferenced.iter().chain(suspects.unnamed.keys());
        let mut names: Vec<_> = names.map(String::as_str).collect();
        let is_all = !suspects.more && names.len() <= MOST_SUSPECTS;
        names.truncate(MOST_SUSPECTS);
        let due = suspicion.note(&names, is_all).await.map_err(Error::Unavailable)?;
        let mut swept = Swept { erased: 0, remaining: !is_all };
        for name in due {
            if (bounds.is_erasing_over)() {
                swept.remaining = true;
                break;
            }
            if !suspicion.claim(&name).await.map_err(Error::Unavailable)? {
                continue;
            }
            let is_gone = match suspects.unnamed.get(&name) {
                Some(chunks) => self.erase_chunks(&name, *chunks).await.map(|()| true)?,
                None => self.erase_blob(&name, suspicion).await?,
            };
            swept.erased += u32::from(is_gone);
        }
        Ok(swept)
    }

    async fn suspects<L: Fn() -> bool, E>(
        &self,
        suspicion: &impl Suspicion,
        bounds: &Bounds<'_, L, E>,
    ) -> Result<Suspects, Error> {
        let mut suspects = Suspects::default();
        let mut named = BTreeSet::new();
        let (mut digests, is_complete) = self.digests().await?;
        suspects.more = !is_complete;
        digests.sort_unstable();
        let first = digests.partition_point(|it| it.as_str() < bounds.from);
        digests.rotate_left(first);
        for sha256 in digests {
            if (bounds.is_looking_over)() {
                suspects.more = true;
                break;
            }
            match self.find(&sha256).await {
                Ok(Some(manifest)) => named.insert(manifest.upload),
                // Gone meanwhile, or naming nothing.
                Ok(None) | Err(Error::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            if !suspicion.is_referenced(&sha256).await.map_err(Error::Unavailable)? {
                suspects.unreferenced.insert(sha256);
            }
        }
        // Which chunks are named is known when all manifests were read.
        if !suspects.more {
            self.find_unnamed(&named, &mut suspects).await?;
        }
        Ok(suspects)
    }

    /// The digests of blobs, and whether these are all.
    async fn digests(&self) -> Result<(Vec<String>, bool), Error> {
        let (mut digests, mut is_complete) = (Vec::new(), true);
        let mut take = |key: &str| match digest_of(key) {
            Some(_) if digests.len() == MOST_BLOBS => is_complete = false,
            Some(sha256) => digests.push(sha256.to_owned()),
            None => {}
        };
        self.values.each_key(&mut take).await.map_err(Error::Unavailable)?;
        Ok((digests, is_complete))
    }

    /// To be called when the names are known: an upload that was finished since is no orphan, and the
    /// next sweep will know it.
    async fn find_unnamed(
        &self,
        named: &BTreeSet<String>,
        suspects: &mut Suspects,
    ) -> Result<(), Error> {
        let mut take = |key: &str| {
            let Some((upload, index)) = chunk_of(key).filter(|it| !named.contains(it.0)) else {
                return;
            };
            let is_full = suspects.unnamed.len() == MOST_SUSPECTS;
            match suspects.unnamed.get_mut(upload) {
                Some(chunks) => *chunks = (*chunks).max(index + 1),
                None if is_full => suspects.more = true,
                None => drop(suspects.unnamed.insert(upload.to_owned(), index + 1)),
            }
        };
        self.values.each_key(&mut take).await.map_err(Error::Unavailable)
    }

    /// Whether the blob is gone; it stays when something refers to it again.
    async fn erase_blob(&self, sha256: &str, suspicion: &impl Suspicion) -> Result<bool, Error> {
        match self.find(sha256).await? {
            Some(manifest) => {
                self.retire(sha256, manifest, async || suspicion.is_referenced(sha256).await).await
            }
            None => Ok(false),
        }
    }
}

//! The issuer's keys, fetched when needed and shared by all instances through a cache.

use domain::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    key::PublicKey,
    key_set::{KeySet, Wanted},
};

/// What lies behind a failure to fetch or to cache.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An adapter reads no more than this of an answer.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

const MAX_AGE: Span = Span::hours(1);
/// How often tokens that name an unknown key can make us fetch.
const REFETCH_INTERVAL: Span = Span::seconds(60);

/// Where the keys come from, and the place that all instances remember them in.
pub trait IssuerKeys {
    /// Within 10 s; an answer longer than [`MAX_DOCUMENT_BYTES`] or other than 200 is an error.
    fn fetch(&self, url: &str) -> impl Future<Output = Result<Vec<u8>, Cause>>;
    fn recall(&self) -> impl Future<Output = Result<Option<Vec<u8>>, Cause>>;
    fn remember(&self, entry: &[u8]) -> impl Future<Output = Result<(), Cause>>;
}

#[derive(Debug, thiserror::Error)]
pub enum UnavailableKeys {
    #[error("keys of the issuer cannot be fetched")]
    Fetch(#[source] Cause),
    #[error("keys of the issuer are no JWKS document")]
    Document,
    #[error("cache of the issuer's keys unavailable")]
    Cache(#[source] Cause),
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    url: String,
    fetched_at: i64,
    /// When somebody last asked the issuer, with or without success.
    asked_at: i64,
    document: String,
}

/// None when the issuer has no such key.
pub(crate) async fn find(
    issuer: &impl IssuerKeys,
    url: &str,
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Option<PublicKey>, UnavailableKeys> {
    let entry = recall(issuer, url, now).await?;
    if let Some((entry, keys)) = entry {
        if let Some(key) = keys.find(wanted) {
            return Ok(Some(key.clone()));
        }
        if now < Timestamp(entry.asked_at) + REFETCH_INTERVAL {
            return Ok(None);
        }
        // First, so that others do not ask meanwhile.
        remember(issuer, &Entry { asked_at: now.0, ..entry }).await?;
    }
    let keys = fetch(issuer, url, now).await?;
    Ok(keys.find(wanted).cloned())
}

/// None when there is nothing in the cache, or nothing to go by any more.
async fn recall(
    issuer: &impl IssuerKeys,
    url: &str,
    now: Timestamp,
) -> Result<Option<(Entry, KeySet)>, UnavailableKeys> {
    let entry = issuer.recall().await.map_err(UnavailableKeys::Cache)?;
    let entry = entry.and_then(|it| serde_json::from_slice::<Entry>(&it).ok());
    Ok(entry
        .filter(|it| it.url == url && Timestamp(it.fetched_at).distance(now) < MAX_AGE)
        .and_then(|it| KeySet::parse(it.document.as_bytes()).map(|keys| (it, keys))))
}

async fn fetch(
    issuer: &impl IssuerKeys,
    url: &str,
    now: Timestamp,
) -> Result<KeySet, UnavailableKeys> {
    let document = issuer.fetch(url).await.map_err(UnavailableKeys::Fetch)?;
    let document = String::from_utf8(document).map_err(|_| UnavailableKeys::Document)?;
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(UnavailableKeys::Document);
    }
    let keys = KeySet::parse(document.as_bytes()).ok_or(UnavailableKeys::Document)?;
    let entry = Entry { url: url.to_owned(), fetched_at: now.0, asked_at: now.0, document };
    remember(issuer, &entry).await?;
    Ok(keys)
}

async fn remember(issuer: &impl IssuerKeys, entry: &Entry) -> Result<(), UnavailableKeys> {
    let entry = serde_json::to_vec(entry).map_err(|it| UnavailableKeys::Cache(it.into()))?;
    issuer.remember(&entry).await.map_err(UnavailableKeys::Cache)
}

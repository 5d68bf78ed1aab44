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
/// How long keys serve while the issuer cannot be asked for newer ones.
const MAX_STALE: Span = Span::hours(24);
/// How often strangers can make us fetch, whether the issuer answers or not.
const REFETCH_INTERVAL: Span = Span::seconds(60);

/// Where the keys come from, and the place that all instances remember them in.
pub trait IssuerKeys {
    /// Within 10 s; an answer longer than [`MAX_DOCUMENT_BYTES`] or other than 200 is an error.
    fn fetch(&self, url: &str) -> impl Future<Output = Result<Vec<u8>, Cause>>;
    /// `true` for one of all who want newer keys within a minute.
    fn claim(&self) -> impl Future<Output = Result<bool, Cause>>;
    fn recall(&self) -> impl Future<Output = Result<Option<Vec<u8>>, Cause>>;
    fn remember(&self, entry: &[u8]) -> impl Future<Output = Result<(), Cause>>;
}

#[derive(Debug, thiserror::Error)]
pub enum UnavailableKeys {
    #[error("keys of the issuer cannot be fetched")]
    Fetch(#[source] Cause),
    #[error("keys of the issuer could not be fetched within the last minute")]
    Recently,
    #[error("keys of the issuer are no JWKS document")]
    Document,
    #[error("memory of the issuer's keys unavailable")]
    Cache(#[source] Cause),
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    url: String,
    fetched_at: i64,
    /// When somebody last asked the issuer, with or without success.
    asked_at: i64,
    /// Empty as long as the issuer never answered.
    document: String,
}

/// None when the issuer has no such key.
///
/// Keys older than an hour are fetched again; while that fails they serve on, for a day.
pub(crate) async fn find(
    issuer: &impl IssuerKeys,
    url: &str,
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Option<PublicKey>, UnavailableKeys> {
    let entry = recall(issuer, url).await?;
    let known = entry.as_ref().and_then(|it| known(it, now));
    let age = entry.as_ref().map(|it| Timestamp(it.fetched_at).distance(now));
    let found = known.as_ref().and_then(|it| it.find(wanted)).cloned();
    if found.is_some() && age.is_some_and(|it| it < MAX_AGE) {
        return Ok(found);
    }
    let asked_lately = |it: &Entry| now < Timestamp(it.asked_at) + REFETCH_INTERVAL;
    if entry.as_ref().is_some_and(asked_lately) {
        return if known.is_some() { Ok(found) } else { Err(UnavailableKeys::Recently) };
    }
    let never =
        || Entry { url: url.to_owned(), fetched_at: 0, asked_at: 0, document: String::new() };
    let asked = Entry { asked_at: now.0, ..entry.unwrap_or_else(never) };
    if known.is_some() {
        if !issuer.claim().await.map_err(UnavailableKeys::Cache)? {
            return Ok(found);
        }
        remember(issuer, &asked).await?;
    }
    match (fetch(issuer, url, now).await, known) {
        (Ok(keys), _) => Ok(keys.find(wanted).cloned()),
        (Err(UnavailableKeys::Cache(cause)), _) => Err(UnavailableKeys::Cache(cause)),
        (Err(_), Some(_)) => Ok(found),
        (Err(error), None) => {
            remember(issuer, &asked).await?;
            Err(error)
        }
    }
}

async fn recall(issuer: &impl IssuerKeys, url: &str) -> Result<Option<Entry>, UnavailableKeys> {
    let entry = issuer.recall().await.map_err(UnavailableKeys::Cache)?;
    let entry = entry.and_then(|it| serde_json::from_slice::<Entry>(&it).ok());
    Ok(entry.filter(|it| it.url == url))
}

/// None where there is nothing to go by any more.
fn known(entry: &Entry, now: Timestamp) -> Option<KeySet> {
    if Timestamp(entry.fetched_at).distance(now) >= MAX_STALE {
        return None;
    }
    KeySet::parse(entry.document.as_bytes())
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

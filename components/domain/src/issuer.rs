//! The issuer of the users' tokens: its keys over HTTP, remembered in the key-value store.

use std::{pin::pin, time::Duration};

use blobs::Values as _;
use domain::rate_limit::Limit;
use futures::{
    StreamExt as _,
    future::{Either, select},
};
use oidc::{Cause, IssuerKeys, MAX_DOCUMENT_BYTES};
use spin_sdk::{
    http::{self, StatusCode, body::IncomingBodyExt as _},
    time::sleep,
};
use store::rate_limits;

use crate::{call::Call, values::KeyValues};

const TIME_OUT: Duration = Duration::from_secs(10);
const CACHE_KEY: &str = "oidc/keys";
/// Of looks for newer keys, by all callers together.
const REFETCH: Limit = Limit { requests: 1, window_seconds: 60 };

pub(crate) struct Issuer<'a> {
    pub(crate) call: &'a Call,
    pub(crate) values: &'static KeyValues,
}

impl IssuerKeys for Issuer<'_> {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Cause> {
        match select(pin!(get(url)), pin!(sleep(TIME_OUT))).await {
            Either::Left((fetched, _)) => fetched,
            Either::Right(_) => Err("no complete answer within 10 s".into()),
        }
    }

    async fn claim(&self) -> Result<bool, Cause> {
        let Call { db, now } = self.call;
        Ok(rate_limits::count(*db, CACHE_KEY, REFETCH, *now).await?.allowed)
    }

    async fn recall(&self) -> Result<Option<Vec<u8>>, Cause> {
        self.values.read(CACHE_KEY).await
    }

    async fn remember(&self, entry: &[u8]) -> Result<(), Cause> {
        self.values.write(CACHE_KEY, entry).await
    }
}

async fn get(url: &str) -> Result<Vec<u8>, Cause> {
    let response = http::get(url).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("answered {}", response.status()).into());
    }
    let mut pieces = response.into_body().stream();
    let mut document = Vec::new();
    while let Some(piece) = pieces.next().await {
        document.extend_from_slice(&piece?);
        if document.len() > MAX_DOCUMENT_BYTES {
            return Err("answer too long".into());
        }
    }
    Ok(document)
}

//! The issuer of the users' tokens: its keys over HTTP, remembered in the key-value store.

use std::{pin::pin, time::Duration};

use blobs::Values as _;
use futures::{
    StreamExt as _,
    future::{Either, select},
};
use oidc::{Cause, IssuerKeys, MAX_DOCUMENT_BYTES};
use spin_sdk::{
    http::{self, StatusCode, body::IncomingBodyExt as _},
    time::sleep,
};

use crate::values::KeyValues;

const TIME_OUT: Duration = Duration::from_secs(10);
const CACHE_KEY: &str = "oidc/keys";

pub(crate) struct Issuer(pub(crate) &'static KeyValues);

impl IssuerKeys for Issuer {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Cause> {
        match select(pin!(get(url)), pin!(sleep(TIME_OUT))).await {
            Either::Left((fetched, _)) => fetched,
            Either::Right(_) => Err("no complete answer within 10 s".into()),
        }
    }

    async fn recall(&self) -> Result<Option<Vec<u8>>, Cause> {
        self.0.read(CACHE_KEY).await
    }

    async fn remember(&self, entry: &[u8]) -> Result<(), Cause> {
        self.0.write(CACHE_KEY, entry).await
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

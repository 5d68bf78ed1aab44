//! Bytes on their way into the blob store and out of it, a piece at a time.

use blobs::{Blobs, Limits, Manifest, Refused, Upload, Writer};
use spin_sdk::{
    wasip3,
    wit_bindgen::{StreamReader, StreamResult, StreamWriter},
};
use store::blob_references;

use crate::{
    bindings::{exports::myrmidon::domain::types::Fault, wit_stream},
    call,
    database::Database,
    fault,
    values::KeyValues,
};

const PIECE_BYTES: usize = 64 * 1024;

pub(crate) type Store = Blobs<&'static KeyValues>;

pub(crate) async fn open_store() -> Result<Store, Fault> {
    Ok(Blobs::new(KeyValues::open().await?))
}

/// Stores what the stream brings, unless `recognise` refuses its beginning.
///
/// At a refusal the stream is dropped, which ends its sender, and nothing stays behind.
pub(crate) async fn receive<T, E>(
    content: StreamReader<u8>,
    limits: Limits,
    recognise: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<(Upload, T), E>
where
    E: From<Refused> + From<Fault>,
{
    let store = open_store().await?;
    let mut writer = store.writer(&call::random_id(), limits);
    let received = take_in(content, &mut writer, limits, recognise).await;
    if received.is_err()
        && let Err(error) = writer.abort().await
    {
        fault::log(&error);
    }
    received
}

async fn take_in<T, E>(
    mut content: StreamReader<u8>,
    writer: &mut Writer<'_, &'static KeyValues>,
    limits: Limits,
    recognise: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<(Upload, T), E>
where
    E: From<Refused>,
{
    let mut recognised = None;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    loop {
        let (status, read) = content.read(piece).await;
        writer.push(&read).await?;
        let head = writer.head();
        if recognised.is_none() && !head.is_empty() && head.len() == limits.head_bytes {
            recognised = Some(recognise(head)?);
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
        piece = read;
        piece.clear();
    }
    if writer.is_empty() {
        return Err(Refused::Empty.into());
    }
    let recognised = match recognised {
        Some(it) => it,
        None => recognise(writer.head())?,
    };
    Ok((writer.finish().await?, recognised))
}

/// None when the bytes are gone, or are not as many as their row says.
pub(crate) async fn find(
    store: &Store,
    sha256: &str,
    size: u64,
) -> Result<Option<Manifest>, Fault> {
    match store.find(sha256).await {
        Ok(Some(manifest)) if manifest.size == size => Ok(Some(manifest)),
        Ok(Some(_)) => {
            fault::log(&blobs::Error::Damaged { key: sha256.to_owned() });
            Ok(None)
        }
        Ok(None) => Ok(None),
        Err(error @ blobs::Error::Damaged { .. }) => {
            fault::log(&error);
            Ok(None)
        }
        Err(error @ blobs::Error::Unavailable(_)) => Err(fault::unavailable(&error)),
    }
}

/// Sends the bytes for as long as somebody reads them. Where they end too early the cause is in our
/// log, and the reader notices by their number.
pub(crate) fn send(store: Store, manifest: Manifest) -> StreamReader<u8> {
    let (writer, reader) = wit_stream::new();
    wasip3::spawn(give_out(store, manifest, writer));
    reader
}

async fn give_out(store: Store, manifest: Manifest, mut writer: StreamWriter<u8>) {
    let mut chunks = store.reader(manifest);
    loop {
        match chunks.next().await {
            Ok(Some(chunk)) => {
                let unread = writer.write_all(chunk).await;
                if !unread.is_empty() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return fault::log(&error),
        }
    }
}

/// To be called when a row that referred to these bytes is gone. A failure leaves bytes behind,
/// which is our concern and not the caller's.
pub(crate) async fn release(store: &Store, db: &Database, sha256: &str) {
    let is_referenced = async || Ok(blob_references::exist(db, sha256).await?);
    if let Err(error) = store.release(sha256, is_referenced).await {
        fault::log(&error);
    }
}

/// Ends an upload that will not be registered.
pub(crate) async fn discard(upload: &Upload) -> Result<(), Fault> {
    let db = Database::open()?;
    let is_referenced = async || Ok(blob_references::exist(db, &upload.sha256).await?);
    let store = open_store().await?;
    store.discard(upload, is_referenced).await.map_err(|it| fault::unavailable(&it))
}

/// Ends an upload to which a row now refers, unless somebody deleted that row meanwhile.
pub(crate) async fn settle(store: &Store, db: &Database, upload: &Upload) -> Result<(), Fault> {
    store.settle(upload).await.map_err(|it| fault::unavailable(&it))?;
    release(store, db, &upload.sha256).await;
    Ok(())
}

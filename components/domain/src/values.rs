//! The port on Spin's key-value store. Blobs and the issuer's keys live there; nothing that changes
//! with each request does, because each write reaches the disk.

use std::sync::OnceLock;

use blobs::{Cause, Values};
use spin_sdk::key_value::Store;

use crate::{bindings::exports::myrmidon::domain::types::Fault, fault};

pub(crate) struct KeyValues(Store);

impl KeyValues {
    /// The instance's store, opened by the first call that needs it.
    pub(crate) async fn open() -> Result<&'static Self, Fault> {
        static OPENED: OnceLock<KeyValues> = OnceLock::new();
        if let Some(values) = OPENED.get() {
            return Ok(values);
        }
        let store = Store::open_default().await.map_err(|it| fault::unavailable(&it))?;
        Ok(OPENED.get_or_init(|| Self(store)))
    }
}

impl Values for &KeyValues {
    async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.0.get(key).await?)
    }

    async fn exists(&self, key: &str) -> Result<bool, Cause> {
        Ok(self.0.exists(key).await?)
    }

    async fn write(&self, key: &str, value: &[u8]) -> Result<(), Cause> {
        Ok(self.0.set(key, value).await?)
    }

    async fn delete(&self, key: &str) -> Result<(), Cause> {
        Ok(self.0.delete(key).await?)
    }

    /// The stream is read to its end: only then does the store say whether these were all.
    async fn each_key(&self, take: &mut dyn FnMut(&str)) -> Result<(), Cause> {
        let mut keys = self.0.get_keys().await;
        while let Some(key) = keys.next().await {
            take(&key);
        }
        Ok(keys.result().await?)
    }
}

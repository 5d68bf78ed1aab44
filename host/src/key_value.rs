//! `spin:key-value@3.0.0` in one `SQLite` file, in Spin's own table.
//!
//! One connection for all, no journal pragma, no cache: a store for blobs, not
//! for counters. A value is written to disk before `set` returns.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _};
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

use crate::{
    bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore},
    blocking,
    state::Instance,
};

/// As Spin's.
const MAX_VALUE_BYTES: usize = 128 << 20;
const MAX_KEY_BYTES: usize = 64 << 10;
/// Of all keys that are listed at once: they are held in memory.
const MAX_LISTED_BYTES: usize = 64 << 20;

/// The file behind all labels.
pub(crate) struct KeyValue(Mutex<Connection>);

/// A guest's handle on one label.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Store {
    label: String,
    file: Arc<KeyValue>,
}

impl KeyValue {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS spin_key_value (
               store TEXT NOT NULL,
               key   TEXT NOT NULL,
               value BLOB NOT NULL,
               PRIMARY KEY (store, key)
             )",
        )?;
        Ok(Self(Mutex::new(connection)))
    }
}

impl Store {
    fn run<T>(
        &self,
        work: impl FnOnce(&Connection, &str) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        blocking::run(|| {
            let connection = self.file.0.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection, &self.label).map_err(|e| Error::Other(e.to_string()))
        })
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        const SQL: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
        self.run(|it, label| {
            it.prepare_cached(SQL)?.query_row((label, key), |row| row.get(0)).optional()
        })
    }

    fn write(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                           ON CONFLICT (store, key) DO UPDATE SET value = excluded.value";
        let too_long = |what, limit| Error::Other(format!("a {what} of more than {limit} bytes"));
        if key.len() > MAX_KEY_BYTES {
            return Err(too_long("key", MAX_KEY_BYTES));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(too_long("value", MAX_VALUE_BYTES));
        }
        self.run(|it, label| it.prepare_cached(SQL)?.execute((label, key, value)).map(drop))
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
        self.run(|it, label| it.prepare_cached(SQL)?.execute((label, key)).map(drop))
    }

    fn has(&self, key: &str) -> Result<bool, Error> {
        const SQL: &str = "SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2";
        self.run(|it, label| it.prepare_cached(SQL)?.exists((label, key)))
    }

    fn keys(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "SELECT key FROM spin_key_value WHERE store = ?1";
        let keys = self.run(|it, label| {
            let mut statement = it.prepare_cached(SQL)?;
            let mut rows = statement.query([label])?;
            let (mut keys, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let key: String = row.get(0)?;
                bytes += size_of::<String>() + key.len();
                if bytes > MAX_LISTED_BYTES {
                    return Ok(None);
                }
                keys.push(key);
            }
            Ok(Some(keys))
        })?;
        keys.ok_or_else(|| Error::Other(format!("keys of more than {MAX_LISTED_BYTES} bytes")))
    }
}

fn store<T>(
    accessor: &Accessor<T, HasSelf<Instance>>,
    handle: &Resource<Store>,
) -> wasmtime::Result<Store> {
    accessor.with(|mut access| Ok(access.get().table.get(handle)?.clone()))
}

impl Host for Instance {}

impl HostStore for Instance {
    async fn drop(&mut self, handle: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

type Keys = (StreamReader<String>, FutureReader<Result<(), Error>>);

impl<T: Send + 'static> HostStoreWithStore<T> for HasSelf<Instance> {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Store>, Error>> {
        accessor.with(|mut access| {
            let instance = access.get();
            let Some(file) = instance.component.stores.get(&label).cloned() else {
                return Ok(Err(Error::AccessDenied));
            };
            Ok(instance.table.push(Store { label, file }).map_err(|_| Error::StoreTableFull))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(store(accessor, &handle)?.read(&key))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(store(accessor, &handle)?.write(&key, &value))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(store(accessor, &handle)?.delete(&key))
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        Ok(store(accessor, &handle)?.has(&key))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
    ) -> wasmtime::Result<Keys> {
        let (keys, result) = match store(accessor, &handle)?.keys() {
            Ok(keys) => (keys, Ok(())),
            Err(e) => (Vec::new(), Err(e)),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let result = async move { wasmtime::error::Ok(result) };
            Ok((keys, FutureReader::new(&mut access, result)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores() -> (tempfile::TempDir, Store, Store) {
        let directory = tempfile::tempdir().unwrap();
        let file = Arc::new(KeyValue::open(&directory.path().join("kv")).unwrap());
        let store = |label: &str| Store { label: label.into(), file: file.clone() };
        (directory, store("one"), store("two"))
    }

    #[test]
    fn keys_and_values_have_bounds() {
        let (_directory, store, _) = stores();
        let longest = "k".repeat(MAX_KEY_BYTES);
        store.write(&longest, b"v").unwrap();
        assert!(store.write(&format!("{longest}k"), b"v").is_err());
        assert!(store.write("k", &vec![0; MAX_VALUE_BYTES + 1]).is_err());
        assert_eq!(store.keys().unwrap(), [longest]);
    }

    #[test]
    fn a_list_of_keys_has_a_bound_and_is_of_one_label() {
        let (_directory, crowded, other) = stores();
        other.write("k", b"").unwrap();
        let fill =
            "WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
                    INSERT INTO spin_key_value SELECT 'one', i || hex(zeroblob(30000)), '' FROM n";
        crowded.run(|it, _| it.execute(fill, [])).unwrap();
        assert!(crowded.keys().is_err());
        assert_eq!(other.keys().unwrap(), ["k"]);
    }
}

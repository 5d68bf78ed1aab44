//! The edge of the component: where the clock, randomness and the connection are read, once per call.

use std::time::{Duration, UNIX_EPOCH};

use domain::time::Timestamp;

use crate::database::Database;

/// What a call works with. Nothing below the exported functions reads a clock.
pub(crate) struct Call {
    pub(crate) db: &'static Database,
    pub(crate) now: Timestamp,
}

impl Call {
    pub(crate) fn begin() -> Result<Self, store::Error> {
        Ok(Self { db: Database::open()?, now: now() })
    }

    /// A device's, whose statements are short.
    pub(crate) fn begin_of_device() -> Result<Self, store::Error> {
        Ok(Self { db: Database::of_devices()?, now: now() })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the edge where time becomes a value")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |it: Duration| i64::try_from(it.as_millis()).unwrap_or(i64::MAX)))
}

/// Random bytes of the host, for secrets, nonces and ids.
#[expect(clippy::disallowed_methods, reason = "this is the edge where randomness becomes a value")]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("a WASI host always has randomness");
    bytes
}

/// A new id that sorts by its time (UUID v7).
pub(crate) fn sortable_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().to_string()
}

/// A new id that tells nothing (UUID v4).
pub(crate) fn random_id() -> String {
    uuid::Builder::from_random_bytes(random()).into_uuid().to_string()
}

//! Which rows refer to a blob. A row of any table that names one belongs here.

use crate::{Db, Error};

/// Whether a release or a build of any organisation consists of the bytes with this digest.
macro_rules! is_referenced {
    ($sha256:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM agent_releases WHERE binary_sha256 = ",
            $sha256,
            ") OR EXISTS (SELECT 1 FROM builds WHERE sha256 = ",
            $sha256,
            "))"
        )
    };
}

pub(crate) use is_referenced;

/// Whether a release or a build of any organisation consists of these bytes.
pub async fn exist(db: &impl Db, sha256: &str) -> Result<bool, Error> {
    let rows = db.query(concat!("SELECT ", is_referenced!("?1")), &[sha256.into()]).await?;
    crate::only(rows)?.flag(0)
}

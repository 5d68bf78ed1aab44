//! `builds`: the binary of each test of an organisation.

use domain::{builds::Build, ids::OrgId, platform::Platform};

use crate::{Db, Error, Row};

/// Upper and lower case of the test's UUID are the same.
pub async fn find(db: &impl Db, org: &OrgId, test_uuid: &str) -> Result<Option<Build>, Error> {
    let rows = db
        .query(
            "SELECT os, arch, filename, sha256, size, signed, built_at
               FROM builds
              WHERE org_id = ?1 AND test_uuid = ?2",
            &[org.into(), test_uuid.into()],
        )
        .await?;
    rows.into_iter().next().map(decode).transpose()
}

fn decode(mut row: Row) -> Result<Build, Error> {
    Ok(Build {
        platform: Platform { os: row.parsed(0)?, arch: row.parsed(1)? },
        filename: row.text(2)?,
        sha256: row.text(3)?,
        size: row.integer(4)?,
        signed: row.flag(5)?,
        built_at: row.timestamp(6)?,
    })
}

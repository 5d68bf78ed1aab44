//! Whether the database answers, with the schema that the statements here need.

use crate::{Db, Error};

/// Reads nothing to speak of, but every table must be there for the statement to compile.
pub async fn check(db: &impl Db) -> Result<(), Error> {
    db.query(
        "SELECT 1 FROM agents, tasks, enrollment_tokens, agent_releases, builds, rate_limits, audit_log, users, results WHERE 0",
        &[],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::native::{File, Memory};

    #[tokio::test]
    async fn a_migrated_database_is_ready() {
        check(&Memory::migrated()).await.unwrap();
    }

    #[tokio::test]
    async fn an_empty_database_is_outdated() {
        let outcome = check(&File::open(Path::new(":memory:")).unwrap()).await;
        assert!(matches!(outcome, Err(Error::SchemaOutdated(_))), "{outcome:?}");
    }
}

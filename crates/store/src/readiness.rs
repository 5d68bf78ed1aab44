//! Whether the database answers, with the schema that the statements here need.

use crate::{Db, Error};

/// The last migration, as `schema_migrations` names it: what came before it is there, too.
const NEWEST: &str = "0013_bounded_work";

/// [`Error::SchemaOutdated`] when a migration has not been applied.
pub async fn check(db: &impl Db) -> Result<(), Error> {
    let rows =
        db.query("SELECT 1 FROM schema_migrations WHERE name = ?1", &[NEWEST.into()]).await?;
    if rows.is_empty() {
        return Err(Error::SchemaOutdated(format!("{NEWEST} has not been applied").into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use domain::time::Timestamp;

    use super::*;
    use crate::{fixtures::run, native::File};

    #[tokio::test]
    async fn only_a_database_that_lacks_no_migration_is_ready() {
        let db = File::open(Path::new(":memory:")).unwrap();
        assert!(matches!(check(&db).await, Err(Error::SchemaOutdated(_))));
        let all = db.migrate(Timestamp(0)).unwrap();
        check(&db).await.unwrap();
        run(&db, "DELETE FROM schema_migrations WHERE name = ?1", &[(*all.last().unwrap()).into()])
            .await;
        assert!(matches!(check(&db).await, Err(Error::SchemaOutdated(_))));
    }
}

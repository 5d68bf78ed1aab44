//! Every SQL statement in the project, one module per table or read model.
//!
//! Queries are plain functions over [`Db`], so the same statement runs on the
//! Spin database in a component and on native `SQLite` in tests and programs.

pub mod agents;
pub mod api_keys;
pub mod approvals;
pub mod audit;
pub mod blob_references;
pub mod blob_suspects;
pub mod builds;
pub mod catalogs;
pub mod device_logins;
pub mod devices;
pub mod enrollment_tokens;
#[cfg(test)]
mod fixtures;
pub mod fleet;
pub mod housekeeping;
pub mod invitations;
#[cfg(any(test, feature = "native"))]
pub mod migrations;
#[cfg(any(test, feature = "native"))]
pub mod native;
pub mod organization_settings;
pub mod presence;
#[cfg(test)]
mod races;
pub mod rate_limits;
pub mod readiness;
pub mod release_promotions;
pub mod releases;
pub mod results;
mod row;
pub mod schedules;
pub mod sessions;
pub mod task_queue;
pub mod tasks;
pub mod users;

use std::{future::Future, panic::Location};

pub use row::{Row, Value};

/// The one thing we ask of a database: run a statement, return its rows.
///
/// There are no transactions. A statement is the unit of atomicity.
pub trait Db: Sync {
    fn query(
        &self,
        sql: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database lacks a table, column or index: its migrations have not run")]
    SchemaOutdated(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a row holds a value the domain cannot, decoded at {decoded_at}")]
    Corrupt { decoded_at: &'static Location<'static> },
}

impl Error {
    /// Sorts what a database adapter reports; the text is all that Spin's interface gives us.
    pub fn from_database(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        let text = source.to_string();
        let absent = ["no such table", "no such column", "no such index"];
        if absent.iter().any(|it| text.contains(it)) {
            Self::SchemaOutdated(source)
        } else {
            Self::Unavailable(source)
        }
    }
}

/// The row of a statement that always returns one.
#[track_caller]
pub(crate) fn only(rows: Vec<Row>) -> Result<Row, Error> {
    let decoded_at = Location::caller();
    rows.into_iter().next().ok_or(Error::Corrupt { decoded_at })
}

/// How many rows a bounded statement returned.
pub(crate) fn length(rows: &[Row]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

//! What a route takes and answers, as `OpenAPI` 3.1 says it.
//!
//! A route's file describes it beside its handler, by what the handler uses itself: the function
//! that reads the body, the one that reads the query, the types that are answered. What follows
//! from the caller (credentials, 401, 429 …) is added here. Descriptions are made natively only
//! and committed as one document; in a component nobody calls them, so its linker drops them.

mod answers;
mod committed;
mod document;
mod operation;

pub use committed::assert_current;
pub(crate) use document::Described;
pub use operation::{Field, Operation};

/// How a caller proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Person,
    Device,
    Scheduler,
}

//! What Myrmidon knows and decides: types and pure functions, one module per context.
//!
//! Absent on purpose: I/O, the clock, randomness, async and serialization. Callers bring them as values.

pub mod agents;
pub mod builds;
pub mod ids;
pub mod platform;
pub mod rate_limit;
pub mod secrets;
pub mod time;

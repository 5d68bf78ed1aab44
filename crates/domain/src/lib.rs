//! What Myrmidon knows and decides: types and pure functions, one module per context.
//!
//! Absent on purpose: I/O, the clock, randomness, async and serialization. Callers bring them as values.

pub mod accounts;
pub mod agents;
pub mod api_keys;
pub mod approvals;
pub mod audit;
pub mod builds;
pub mod catalog;
pub mod device_logins;
pub mod devices;
pub mod enrollment;
pub mod executable;
pub mod health;
pub mod ids;
pub mod passwords;
pub mod permissions;
pub mod platform;
pub mod precedence;
pub mod rate_limit;
pub mod releases;
pub mod results;
pub mod schedules;
pub mod sealing;
pub mod secrets;
pub mod sessions;
pub mod signing;
pub mod tasks;
pub mod time;

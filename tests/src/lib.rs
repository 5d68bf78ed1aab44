//! Drives the application as its callers do: people, agents, schedulers, and those who mean harm.
//!
//! [`application`] loads the real components in process, each time with a database of its own;
//! [`program`] runs the real program. Both are reached through a [`server::Server`], so that a
//! simulated [`agent`] lives with either. Nothing here knows how the application works inside.

pub mod accounts;
pub mod agent;
pub mod application;
pub mod clock;
pub mod database;
pub mod description;
pub mod executables;
pub mod hostile;
pub mod issuer;
pub mod operator;
pub mod person;
pub mod program;
pub mod request;
pub mod server;
pub mod signing_keys;
pub mod surface;
pub mod upload;
pub mod values;

pub use agent::{Agent, Machine};
pub use application::{App, Setup};
pub use operator::Operator;
pub use person::{Forgery, Person};
pub use request::{Answer, Request};
pub use server::Server;

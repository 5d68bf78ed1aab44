//! The HTTP vocabulary of all tiers: requests in, answers out, and what is wrong with either.
//!
//! A tier is a table of [`Routes`] whose handlers take a [`Request`] (and, on closed routes, a
//! caller that proved something) and return a [`Response`] or a [`Problem`]. Everything here but
//! [`edge`] runs natively, too. No storage, no rules: those are behind the WIT contract.

pub mod address;
pub mod bearer;
pub mod body;
pub mod contract;
pub mod cron;
pub mod cursor;
pub mod download;
pub mod edge;
mod headers;
pub mod instant;
pub mod log;
pub mod multipart;
pub mod openapi;
mod problem;
mod query;
pub mod relocate;
mod request;
mod request_id;
mod response;
mod routes;
pub mod schema;
pub mod settings;

pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

pub use crate::{
    problem::{Issue, Problem},
    query::{Page, Query},
    request::Request,
    response::{Body, Response},
    routes::{Caller, Routes, Row},
};

/// What a handler returns.
pub type Answer = Result<Response, Problem>;

//! A request as handlers see it. Its body has not been read.

use std::{collections::VecDeque, pin::Pin};

use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, HeaderName, Method};

use crate::{
    Problem, Query, address,
    contract::{Actor, Origin},
    request_id,
    settings::Settings,
};

/// The bytes of a body as they arrive. An error means that the client went away.
pub(crate) type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// The connection failed while the body was being read.
#[derive(Debug, thiserror::Error)]
#[error("the request body ended early")]
pub(crate) struct Broken;

pub struct Request {
    pub method: Method,
    /// Path and query, as received.
    pub target: String,
    pub headers: HeaderMap,
    /// For the log and the answer: see [`request_id`].
    pub id: String,
    /// None once it was taken.
    pub(crate) body: Option<Incoming>,
    /// The path parameters of the matched route, decoded.
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) trusted_proxies: usize,
}

impl Request {
    pub(crate) fn new(
        method: Method,
        target: String,
        headers: HeaderMap,
        body: Incoming,
        settings: &Settings,
    ) -> Self {
        let id = request_id::of(&headers);
        Self {
            method,
            target,
            headers,
            id,
            body: Some(body),
            parameters: Vec::new(),
            trusted_proxies: settings.trusted_proxies,
        }
    }

    /// A request without a connection behind it, for tests.
    pub fn fixture(
        method: Method,
        target: &str,
        headers: HeaderMap,
        chunks: &[&'static [u8]],
    ) -> Self {
        let chunks: VecDeque<_> = chunks.iter().map(|it| Ok(Bytes::from_static(it))).collect();
        let body = Box::pin(futures::stream::iter(chunks));
        Self {
            method,
            target: target.to_owned(),
            headers,
            id: "test".to_owned(),
            body: Some(body),
            parameters: Vec::new(),
            trusted_proxies: 0,
        }
    }

    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    pub fn query(&self) -> Result<Query, Problem> {
        Query::parse(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// The value of a header that was sent exactly once and is ASCII text.
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        let mut values = self.headers.get_all(name.into()).into_iter();
        match (values.next(), values.next()) {
            (Some(only), None) => only.to_str().ok(),
            _ => None,
        }
    }

    /// A parameter of the matched route's pattern; empty when the pattern has none of that name.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// The limiter's key for this client: its normalised address.
    pub fn client_address(&self) -> String {
        address::of(&self.headers, self.trusted_proxies)
            .map_or_else(|| address::UNKNOWN.to_owned(), address::normalised)
    }

    /// This client's whole address, for the record.
    pub fn full_address(&self) -> String {
        address::of(&self.headers, self.trusted_proxies)
            .map_or_else(|| address::UNKNOWN.to_owned(), |it| it.to_canonical().to_string())
    }

    /// Whoever proved to be this user acts for their own organisation, and names no other.
    pub fn actor(&self, user_id: String, org_id: Option<String>) -> Result<Actor, Problem> {
        let org_id = org_id.ok_or_else(|| {
            Problem::forbidden("Organization isolation required. Configure Clerk Organizations.")
        })?;
        if self.query()?.one("org_id")?.is_some_and(|it| it != org_id) {
            return Err(Problem::forbidden("Access denied to this organization"));
        }
        Ok(Actor { user_id, org_id, address: self.full_address(), request_id: self.id.clone() })
    }

    /// Where somebody comes from who has yet to prove who they are.
    pub fn origin(&self) -> Origin {
        Origin {
            address: self.full_address(),
            limiter: self.client_address(),
            request_id: self.id.clone(),
        }
    }
}

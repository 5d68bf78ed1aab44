//! An answer as handlers make it. What every answer carries is added at the edge.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use spin_sdk::wit_bindgen::StreamReader;

use crate::{Answer, Problem, contract::Budget};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    /// Only what this answer adds.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    Empty,
    Full(Vec<u8>),
    /// Passed on as it comes; its size, where it is known, goes into `Content-Length`.
    Stream {
        content: StreamReader<u8>,
        size: Option<u64>,
    },
}

#[derive(Serialize)]
struct Success<'a, T: Serialize> {
    success: bool,
    data: &'a T,
}

impl Response {
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// Any value as JSON, without an envelope.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
        let body =
            serde_json::to_vec(value).map_err(|it| Problem::Unpresentable(it.to_string()))?;
        Ok(Self { status, headers: vec![(header::CONTENT_TYPE, JSON)], body: Body::Full(body) })
    }

    /// `{"success":true,"data":…}`
    pub fn data(status: StatusCode, data: &impl Serialize) -> Answer {
        Self::json(status, &Success { success: true, data })
    }

    /// `{"success":true}`
    pub fn success() -> Self {
        let body = Body::Full(br#"{"success":true}"#.to_vec());
        Self { status: StatusCode::OK, headers: vec![(header::CONTENT_TYPE, JSON)], body }
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What is left of the caller's request budget (fleet.md §1.5). The first budget stays.
    #[must_use]
    pub fn with_budget(mut self, budget: &Budget) -> Self {
        const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
        if self.headers.iter().any(|(name, _)| *name == POLICY) {
            return self;
        }
        let policy = HeaderValue::try_from(format!("{};w={}", budget.limit, budget.window_seconds));
        self.headers.extend([
            (POLICY, policy.expect("digits are a header value")),
            (HeaderName::from_static("ratelimit-limit"), budget.limit.into()),
            (HeaderName::from_static("ratelimit-remaining"), budget.remaining.into()),
            (HeaderName::from_static("ratelimit-reset"), budget.reset_seconds.into()),
        ]);
        self
    }

    /// The bytes of an answer that is not a stream.
    pub fn bytes(&self) -> Bytes {
        match &self.body {
            Body::Full(bytes) => Bytes::copy_from_slice(bytes),
            Body::Empty | Body::Stream { .. } => Bytes::new(),
        }
    }

    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_in_an_envelope() {
        let response = Response::data(StatusCode::CREATED, &["a"]).unwrap();
        assert_eq!(response.status, 201);
        assert_eq!(response.bytes(), r#"{"success":true,"data":["a"]}"#);
    }

    #[test]
    fn the_first_budget_stays() {
        let budget = |limit| Budget { limit, window_seconds: 60, remaining: 29, reset_seconds: 41 };
        let response = Response::success().with_budget(&budget(30)).with_budget(&budget(1000));
        let shown: Vec<_> = response.headers[1..]
            .iter()
            .map(|(k, v)| format!("{k}: {}", v.to_str().unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                "ratelimit-policy: 30;w=60",
                "ratelimit-limit: 30",
                "ratelimit-remaining: 29",
                "ratelimit-reset: 41"
            ]
        );
    }
}

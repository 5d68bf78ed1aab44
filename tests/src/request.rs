//! One request and its answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;

use crate::{
    Server, description,
    server::{Body, Unreachable, empty},
};

/// A request in the making. Nothing is sent before [`send`](Request::send).
#[must_use]
pub struct Request<'a> {
    server: &'a Server,
    client: IpAddr,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Body,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl<'a> Request<'a> {
    pub fn new(server: &'a Server, method: Method, target: &str) -> Self {
        Self {
            server,
            client: Ipv4Addr::LOCALHOST.into(),
            method,
            target: target.to_owned(),
            headers: HeaderMap::new(),
            body: empty(),
        }
    }

    /// The address it comes from. Over a network it is the real one, and this does nothing.
    pub fn from(mut self, client: impl Into<IpAddr>) -> Self {
        self.client = client.into();
        self
    }

    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// One more header; any bytes that HTTP can carry. A second one of the same name stays a second one.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header has a name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header's value can be sent");
        self.headers.append(name, value);
        self
    }

    /// In place of the header of this name, if there is one.
    pub fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self = self.without(name);
        self.header(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.set("content-type", "application/json").raw_body(body.to_string())
    }

    /// Bytes as they are; what they are is for [`header`](Self::header) to say.
    pub fn raw_body(mut self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.headers.insert(header::CONTENT_LENGTH, body.len().into());
        self.body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        self
    }

    /// A body of unknown length, sent as it comes.
    pub fn stream(mut self, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        self.headers.remove(header::CONTENT_LENGTH);
        self.body = StreamBody::new(chunks.map(|it| Ok(Frame::data(it)))).boxed_unsync();
        self
    }

    /// Panics when there is no answer.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.target);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    pub async fn try_send(self) -> Result<Answer, Unreachable> {
        let (parts, body) = self.open().await?.into_parts();
        let body = body.collect().await.map_err(|error| Unreachable(error.to_string()))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// The answer's head; its body comes as it is read.
    pub async fn open(self) -> Result<Response<Body>, Unreachable> {
        let (method, target) = (self.method.clone(), self.target.clone());
        let mut request = http::Request::builder().method(self.method).uri(&self.target);
        *request.headers_mut().expect("nothing is wrong yet") = self.headers;
        let request = request.body(self.body).map_err(|error| Unreachable(error.to_string()))?;
        let answer = self.server.send(request, SocketAddr::new(self.client, 50_000)).await?;
        // What lacks it never reached a component.
        if answer.headers().contains_key("x-request-id") {
            description::check(&method, &target, answer.status());
        }
        Ok(answer)
    }
}

impl Answer {
    /// Panics, with the body, unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// What a success is about.
    #[track_caller]
    pub fn data(&self) -> Value {
        let mut body = self.json();
        assert_eq!(body["success"], true, "{body}");
        body["data"].take()
    }

    /// The text of a refusal.
    #[track_caller]
    pub fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["success"], false, "{body}");
        body["error"].as_str().expect("a refusal says why").to_owned()
    }

    /// The header's value, if it is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there more than once");
        Some(value.to_str().expect("a header of ours is text"))
    }

    /// Status, the named headers and the body, for a snapshot: what differs each time is redacted.
    pub fn shown(&self, headers: &[&str]) -> String {
        let mut lines = vec![self.status.as_u16().to_string()];
        for name in headers {
            let value = self.header(name).unwrap_or("(absent)");
            lines.push(format!("{name}: {}", redacted(value)));
        }
        lines.push(redacted(&self.text()));
        lines.join("\n")
    }
}

/// Replaces identifiers, instants, secrets and digests by what they are.
pub fn redacted(text: &str) -> String {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "_-:.+".contains(it);
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|it| !is_part(it)).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, tail) = rest.split_at(length);
        shown.push_str(kind(word).unwrap_or(word));
        rest = tail;
    }
    shown
}

fn kind(word: &str) -> Option<&'static str> {
    let is_hex =
        |it: &str, length| it.len() == length && it.bytes().all(|it| it.is_ascii_hexdigit());
    if word.strip_prefix("ak_").is_some_and(|it| is_hex(it, 64)) {
        return Some("[agent key]");
    }
    if word.strip_prefix("acht_").is_some_and(|it| is_hex(it, 64)) {
        return Some("[enrollment token]");
    }
    let is_uuid = word.len() == 36 && is_hex(&word.replace('-', ""), 32);
    if is_uuid {
        return Some("[uuid]");
    }
    if word.ends_with('Z') && word.parse::<jiff::Timestamp>().is_ok() {
        return Some("[instant]");
    }
    match word.len() {
        64 if is_hex(word, 64) => Some("[sha256]"),
        128 if is_hex(word, 128) => Some("[signature]"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redacted(text), expected);
    }

    #[test]
    fn what_differs_each_time_is_redacted() {
        check(r#"{"id":"8c1f0a52-6f0d-4a38-8a0e-0d7c4d9f6b11","n":7}"#, r#"{"id":"[uuid]","n":7}"#);
        check("at 2026-07-11T09:15:02.733Z.", "at 2026-07-11T09:15:02.733Z.");
        check(r#""2026-07-11T09:15:02.733Z""#, r#""[instant]""#);
        check(&format!("ak_{} {}", "a1".repeat(32), "0f".repeat(32)), "[agent key] [sha256]");
        check("é ü", "é ü");
    }
}

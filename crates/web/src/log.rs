//! One JSON line per noteworthy event, to standard error. Never a secret, never a body.

use std::io::Write as _;

use serde::Serialize;

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    Warn,
    Error,
}

#[derive(Serialize)]
struct Line<'a> {
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    /// Without the query, which may hold what people search for.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// An event of one request, before its answer is known.
pub fn event(level: Level, message: &str, request: &crate::Request) {
    write(&Line {
        level,
        message,
        request_id: Some(&request.id),
        method: Some(request.method.as_str()),
        path: Some(request.path()),
        status: None,
    });
}

/// What a request of a scheduler did, as it is answered: nobody else may read that answer.
pub fn outcome<T: Serialize>(message: &str, done: &T, request: &crate::Request) {
    write(&Outcome { level: Level::Info, message, request_id: &request.id, done });
}

#[derive(Serialize)]
struct Outcome<'a, T> {
    level: Level,
    message: &'a str,
    request_id: &'a str,
    done: &'a T,
}

/// Why a request was answered with a 5xx.
pub(crate) fn failure(cause: &str, request_id: &str, method: &str, path: &str, status: u16) {
    write(&Line {
        level: Level::Error,
        message: cause,
        request_id: Some(request_id),
        method: Some(method),
        path: Some(path),
        status: Some(status),
    });
}

/// An event that belongs to no request.
pub(crate) fn notice(level: Level, message: &str) {
    write(&Line { level, message, request_id: None, method: None, path: None, status: None });
}

/// A log that cannot be written is no reason to fail a request.
fn write(line: &impl Serialize) {
    if let Ok(mut text) = serde_json::to_vec(line) {
        text.push(b'\n');
        let _ = std::io::stderr().write_all(&text);
    }
}

//! One line per request on standard error, and one per instance that failed.
//!
//! The query is left out: it may carry secrets.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::json;

use crate::options::Log;

#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessLog(pub(crate) Log);

pub(crate) struct Line<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) client: SocketAddr,
    /// `None` if no route matched.
    pub(crate) component: Option<&'a str>,
    pub(crate) status: StatusCode,
    /// Until the head of the answer.
    pub(crate) duration: Duration,
    /// The answer's `X-Request-Id`.
    pub(crate) request_id: Option<&'a str>,
    pub(crate) failure: Option<&'a str>,
}

impl AccessLog {
    pub(crate) fn request(self, line: &Line<'_>) {
        let text = match self.0 {
            Log::Off => return,
            Log::Json => line.json(),
            Log::Text => line.text(),
        };
        write(text);
    }

    /// An instance ended before its time.
    pub(crate) fn failure(self, component: &str, error: &wasmtime::Error) {
        let text = match self.0 {
            Log::Off => return,
            Log::Json => json!({
                "level": "error",
                "message": "instance failed",
                "component": component,
                "error": format!("{error:#}"),
            })
            .to_string(),
            Log::Text => format!("instance of {component} failed: {error:#}"),
        };
        write(text);
    }
}

impl Line<'_> {
    fn json(&self) -> String {
        let level = if self.status.is_server_error() { "error" } else { "info" };
        let mut line = json!({
            "level": level,
            "message": "request",
            "method": self.method.as_str(),
            "path": self.path,
            "status": self.status.as_u16(),
            "duration_ms": (self.duration.as_secs_f64() * 1e6).round() / 1e3,
            "client": self.client.to_string(),
        });
        let optional = [
            ("component", self.component),
            ("request_id", self.request_id),
            ("error", self.failure),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                line[key] = value.into();
            }
        }
        line.to_string()
    }

    fn text(&self) -> String {
        let Self { method, path, client, status, .. } = self;
        let duration = self.duration.as_secs_f64() * 1e3;
        let component = self.component.unwrap_or("-");
        let status = status.as_u16();
        let failure = self.failure.map(|it| format!(" ({it})")).unwrap_or_default();
        format!("{client} {method} {path:?} {status} {duration:.2} ms {component}{failure}")
    }
}

/// One write, so that lines do not mix. A log that cannot be written is no
/// reason to stop serving.
fn write(mut line: String) {
    line.push('\n');
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<'static> {
        Line {
            method: &Method::GET,
            path: "/a\n\"b",
            client: ([192, 0, 2, 7], 4711).into(),
            component: None,
            status: StatusCode::NOT_FOUND,
            duration: Duration::from_micros(1234),
            request_id: None,
            failure: None,
        }
    }

    #[test]
    fn a_line_is_one_json_object() {
        assert_eq!(
            line().json(),
            r#"{"client":"192.0.2.7:4711","duration_ms":1.234,"level":"info","message":"request","method":"GET","path":"/a\n\"b","status":404}"#
        );
    }

    #[test]
    fn a_failure_is_an_error_and_says_why() {
        let line = Line {
            component: Some("guest"),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            request_id: Some("r-1"),
            failure: Some("guest timed out"),
            ..line()
        };
        let line: serde_json::Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(line["level"], "error");
        assert_eq!(line["component"], "guest");
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["error"], "guest timed out");
    }

    #[test]
    fn a_text_line_cannot_be_broken_by_a_path() {
        assert_eq!(line().text(), r#"192.0.2.7:4711 GET "/a\n\"b" 404 1.23 ms -"#);
    }
}

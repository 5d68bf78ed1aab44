//! What every answer carries: security headers, CORS, the request's id and the body's length.
//!
//! The list is built as the host takes it, without a map in between: this runs for every request.

use std::cell::RefCell;

use http::{StatusCode, header};

use crate::{Response, response::Body, settings::Settings};

/// Name and value as the host takes them.
pub(crate) type Line = (String, Vec<u8>);

/// fleet.md §1.2 and the constant half of §1.3.
const FIXED: [(&str, &str); 15] = [
    (
        "content-security-policy",
        "default-src 'self';script-src 'self' 'unsafe-inline';style-src 'self' 'unsafe-inline';\
         img-src 'self' data: https: blob:;connect-src 'self' https://*.clerk.com https://*.clerk.accounts.dev;\
         frame-src 'self' blob:;font-src 'self' data:;object-src 'none';base-uri 'self';form-action 'self';\
         frame-ancestors 'self';worker-src 'self' blob:;upgrade-insecure-requests;script-src-attr 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
    ("vary", "Origin"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "Authorization,Content-Disposition"),
];

/// Gives every header of an answer to `take`. A stream's length is known, too: without one the
/// client waits. What is the same in every answer is written once per instance.
pub(crate) fn with_lines<T>(
    response: &Response,
    settings: &Settings,
    request_id: &str,
    take: impl FnOnce(&[Line]) -> T,
) -> T {
    thread_local! {
        static LINES: RefCell<Vec<Line>> = RefCell::new(
            FIXED.iter().map(|(name, value)| line(name, value.as_bytes())).collect(),
        );
    }
    LINES.with_borrow_mut(|lines| {
        lines.push(line("access-control-allow-origin", settings.cors_origin.as_bytes()));
        lines.push(line("x-request-id", request_id.as_bytes()));
        lines.extend(response.headers.iter().map(|(name, it)| line(name.as_str(), it.as_bytes())));
        if let Some(length) = length(response) {
            lines.push(line(header::CONTENT_LENGTH.as_str(), length.to_string().as_bytes()));
        }
        let taken = take(lines);
        lines.truncate(FIXED.len());
        taken
    })
}

fn line(name: &str, value: &[u8]) -> Line {
    (name.to_owned(), value.to_owned())
}

fn length(response: &Response) -> Option<u64> {
    match &response.body {
        Body::Full(bytes) => Some(bytes.len() as u64),
        Body::Stream { size, .. } => *size,
        Body::Empty => (response.status != StatusCode::NO_CONTENT).then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::Problem;

    fn shown(response: &Response) -> Vec<String> {
        let settings = Settings {
            cors_origin: HeaderValue::from_static("https://console.example"),
            ..Settings::default()
        };
        with_lines(response, &settings, "r1", |lines| {
            let shown = lines
                .iter()
                .map(|(name, value)| format!("{name}: {}", str::from_utf8(value).unwrap()));
            shown.collect()
        })
    }

    #[test]
    fn every_answer_carries_the_same_protection() {
        for response in [
            Response::success(),
            Response::empty(StatusCode::NO_CONTENT),
            Problem::not_found("x").into_response(),
        ] {
            let shown = shown(&response);
            for expected in [
                "x-content-type-options: nosniff",
                "vary: Origin",
                "access-control-allow-origin: https://console.example",
                "x-request-id: r1",
            ] {
                assert!(shown.iter().any(|it| it == expected), "{expected} in {shown:?}");
            }
        }
    }

    #[test]
    fn the_policy_is_one_line() {
        assert!(FIXED[0].1.contains("'unsafe-inline';img-src 'self' data:"), "{}", FIXED[0].1);
    }

    #[test]
    fn a_length_is_always_known() {
        assert!(shown(&Response::success()).contains(&"content-length: 16".to_owned()));
        assert!(shown(&Response::empty(StatusCode::OK)).contains(&"content-length: 0".to_owned()));
        assert!(
            !shown(&Response::empty(StatusCode::NO_CONTENT))
                .iter()
                .any(|it| it.starts_with("content-length"))
        );
    }
}

//! What every answer carries: security headers, CORS, the request's id and the body's length.
//!
//! The list is built as the host takes it, without a map in between: this runs for every request.

use http::{StatusCode, header};

use crate::{Response, response::Body, settings::Settings};

/// Names and values as the host takes them.
pub(crate) type Lines = Vec<(String, Vec<u8>)>;

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

/// Every header of an answer. A stream's length is known, too: without one the client waits.
pub(crate) fn lines(response: &Response, settings: &Settings, request_id: &str) -> Lines {
    let mut lines = Lines::with_capacity(FIXED.len() + response.headers.len() + 3);
    lines.extend(FIXED.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    lines
        .push(("access-control-allow-origin".to_owned(), settings.cors_origin.as_bytes().to_vec()));
    lines.push(("x-request-id".to_owned(), request_id.as_bytes().to_vec()));
    lines.extend(
        response
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())),
    );
    let length = match &response.body {
        Body::Full(bytes) => Some(bytes.len() as u64),
        Body::Stream { size, .. } => *size,
        Body::Empty => (response.status != StatusCode::NO_CONTENT).then_some(0),
    };
    if let Some(length) = length {
        lines.push((header::CONTENT_LENGTH.as_str().to_owned(), length.to_string().into_bytes()));
    }
    lines
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
        let lines = lines(response, &settings, "r1");
        lines
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8(value).unwrap()))
            .collect()
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

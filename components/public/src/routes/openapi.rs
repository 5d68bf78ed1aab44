//! `GET /api/openapi.json`: this interface, described. Made by `cargo xtask openapi`.

use std::sync::LazyLock;

use schemars::JsonSchema;
use sha2::{Digest as _, Sha256};
use web::{Answer, Body, HeaderValue, Request, Response, StatusCode, header, openapi::Operation};

static DOCUMENT: &[u8] = include_bytes!("../../openapi.json");

/// The document changes with the program alone.
static TAG: LazyLock<String> = LazyLock::new(|| format!("\"{:x}\"", Sha256::digest(DOCUMENT)));

/// As much of the document as its clients must be told.
#[derive(JsonSchema)]
struct Described {
    #[expect(dead_code, reason = "only described: the document is committed as text")]
    openapi: String,
}

pub(crate) fn describe() -> Operation {
    Operation::new("Describe this interface").answers_plainly::<Described>(200).answers_empty(304)
}

pub(crate) async fn show(request: Request) -> Answer {
    let known = request.header(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|it| it.split(',').any(|it| it.trim() == TAG.as_str()));
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, Body::Empty)
    } else {
        (StatusCode::OK, Body::Full(DOCUMENT.to_vec()))
    };
    let tag = HeaderValue::from_str(&TAG).expect("hexadecimal digits are a header value");
    let headers = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    Ok(Response { status, headers, body })
}

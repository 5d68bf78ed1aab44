//! Bodies of every kind, and what becomes of them.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use futures::executor::block_on;
use http::{HeaderMap, HeaderValue, Method};

use super::*;

const SMALL: Rules = Rules { limit: 64, ..Rules::LENIENT };

fn read(
    rules: Rules,
    headers: &[(&'static str, &str)],
    chunks: &[&'static [u8]],
) -> Result<Value, Problem> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
    let mut request = Request::fixture(Method::POST, "/", headers.collect::<HeaderMap>(), chunks);
    block_on(request.body(rules))
}

#[track_caller]
fn accepts(
    rules: Rules,
    headers: &[(&'static str, &str)],
    chunks: &[&'static [u8]],
    expected: &str,
) {
    assert_eq!(read(rules, headers, chunks).unwrap().to_string(), expected);
}

#[track_caller]
fn refuses(
    rules: Rules,
    headers: &[(&'static str, &str)],
    chunks: &[&'static [u8]],
    status: u16,
    error: &str,
) {
    let response = read(rules, headers, chunks).unwrap_err().into_response();
    let body: Value = serde_json::from_slice(&response.bytes()).unwrap();
    assert_eq!((response.status.as_u16(), body["error"].as_str().unwrap()), (status, error));
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=UTF-8");
const TEXT: (&str, &str) = ("content-type", "text/plain");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn json_is_read_and_absence_is_an_empty_object() {
    accepts(SMALL, &[JSON], &[b"{\"a\"", b":[1]}"], r#"{"a":[1]}"#);
    accepts(SMALL, &[JSON], &[b"\xef\xbb\xbf[]"], "[]");
    accepts(SMALL, &[JSON], &[], "{}");
    accepts(SMALL, &[], &[], "{}");
    accepts(SMALL, &[TEXT], &[b"hello"], "{}");
}

#[test]
fn forms_count_as_json_only_where_the_route_is_lenient() {
    accepts(
        SMALL,
        &[FORM],
        &[b"token=a%20b&os=linux&tag=1&tag=2"],
        r#"{"os":"linux","tag":["1","2"],"token":"a b"}"#,
    );
    refuses(Rules::STRICT, &[FORM], &[b"a=1"], 415, "unsupported content type");
    refuses(Rules::STRICT, &[], &[b"{}"], 415, "unsupported content type");
    accepts(Rules::STRICT, &[FORM], &[], "{}");
    accepts(Rules::STRICT, &[JSON], &[b"{}"], "{}");
}

#[test]
fn what_is_not_an_object_is_refused() {
    refuses(SMALL, &[JSON], &[b"\"text\""], 400, "Invalid JSON: expected an object or an array");
    refuses(SMALL, &[JSON], &[b"null"], 400, "Invalid JSON: expected an object or an array");
    refuses(SMALL, &[JSON], &[b"{x"], 400, "Invalid JSON: key must be a string at line 1 column 2");
    assert!(
        read(SMALL, &[JSON], &[b"{\"a\":\"\\ud800\"}"]).is_err(),
        "a lone surrogate is not text"
    );
    assert!(
        read(SMALL, &[JSON], &[b"{\"a\":\"\xff\"}"]).is_err(),
        "bytes that are not UTF-8 are not text"
    );
    assert!(read(Rules::LENIENT, &[JSON], &[&[b'['; 1000]]).is_err(), "nesting has a limit");
}

#[test]
fn the_limit_holds_while_reading() {
    accepts(SMALL, &[JSON], &[b"[", &[b' '; 62], b"]"], "[]");
    refuses(SMALL, &[JSON], &[b"[", &[b' '; 63], b"]"], 413, "request entity too large");
    refuses(SMALL, &[JSON, ("content-length", "65")], &[], 413, "request entity too large");
    let result = Rules { limit: 4, ..Rules::RESULT };
    refuses(result, &[JSON], &[b"[    ]"], 400, "request entity too large");
}

fn gzip(content: &[u8]) -> &'static [u8] {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap().leak()
}

#[test]
fn the_limit_holds_after_unpacking() {
    let packed = ("content-encoding", "gzip");
    accepts(SMALL, &[JSON, packed], &[gzip(b"{\"a\":1}")], r#"{"a":1}"#);
    refuses(SMALL, &[JSON, packed], &[gzip(&[b' '; 5000])], 413, "request entity too large");
    refuses(SMALL, &[JSON, packed], &[b"not gzip"], 400, "invalid compressed body");
    accepts(SMALL, &[JSON, ("content-encoding", "br")], &[b"\x8b\x00\x80[]\x03"], "[]");
}

#[test]
fn unknown_encodings_and_charsets_are_named() {
    refuses(
        SMALL,
        &[JSON, ("content-encoding", "zstd")],
        &[b"{}"],
        415,
        "unsupported content encoding \"zstd\"",
    );
    let latin = ("content-type", "application/json; charset=iso-8859-1");
    refuses(SMALL, &[latin], &[b"{}"], 415, "unsupported charset \"ISO-8859-1\"");
}

#[test]
fn a_body_of_known_length_is_over_with_its_last_byte() {
    let headers = [("content-type", "application/json"), ("content-length", "7")]
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    let mut request =
        Request::fixture(Method::POST, "/", headers.into_iter().collect::<HeaderMap>(), &[]);
    let chunks = [&b"{\"a\""[..], b":1}"].map(|it| Ok(it.into()));
    // The connection says no more for now; whoever waited for its word would wait for ever.
    request.body = Some(Box::pin(futures::stream::iter(chunks).chain(futures::stream::pending())));
    let mut read = std::pin::pin!(request.body(SMALL));
    let read = futures::FutureExt::now_or_never(read.as_mut()).unwrap().unwrap();
    assert_eq!(read.to_string(), r#"{"a":1}"#);
}

//! A component that only says hello: what a request costs before we do anything.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use spin_sdk::{
    http::{FullBody, Request},
    http_service,
};

#[http_service]
async fn handle(_: Request) -> Response<FullBody<Bytes>> {
    let mut response = Response::new(FullBody::new(Bytes::from_static(b"hello")));
    // A body of unknown length would be chunked, and a small chunk waits for a delayed acknowledgement.
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
    response
}

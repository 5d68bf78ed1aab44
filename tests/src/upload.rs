//! Files to upload: multipart forms and streams.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use crate::Request;

const BOUNDARY: &str = "----myrmidon-boundary-7MA4YWxkTrZu0gW";

/// A `multipart/form-data` body. Fields keep their order.
#[derive(Debug, Default, Clone)]
pub struct Multipart(Vec<u8>);

impl Multipart {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    #[must_use]
    pub fn file(self, name: &str, filename: &str, content: &[u8]) -> Self {
        let disposition = format!("name=\"{name}\"; filename=\"{filename}\"");
        self.part(&format!("{disposition}\r\nContent-Type: application/octet-stream"), content)
    }

    fn part(mut self, disposition: &str, content: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// What comes before a file's content in a streamed form.
    pub fn file_head(name: &str, filename: &str) -> Vec<u8> {
        let mut head = Self::new().file(name, filename, b"").0;
        head.truncate(head.len() - 2);
        head
    }

    /// What ends a form whose last part was streamed.
    pub fn tail() -> Vec<u8> {
        format!("\r\n--{BOUNDARY}--\r\n").into_bytes()
    }

    pub fn into_bytes(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }

    pub fn into_request(self, request: Request<'_>) -> Request<'_> {
        request.set("content-type", Self::content_type()).raw_body(self.into_bytes())
    }
}

impl Multipart {
    /// The form without its end, as if the connection broke.
    pub fn cut_short(self, request: Request<'_>) -> Request<'_> {
        request.set("content-type", Self::content_type()).raw_body(self.0)
    }

    /// With a file behind the other parts whose content comes as it is read.
    pub fn streamed<'a>(
        mut self,
        request: Request<'a>,
        name: &str,
        content: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Request<'a> {
        self.0.extend(Self::file_head(name, "streamed"));
        let (head, tail) = ([Bytes::from(self.0)], [Bytes::from(Self::tail())]);
        let body = stream::iter(head).chain(content).chain(stream::iter(tail));
        request.set("content-type", Self::content_type()).stream(body)
    }
}

const CHUNK: usize = 64 << 10;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Bytes of zero without an end, 64 KiB of them at once.
pub fn endless() -> impl Stream<Item = Bytes> + Send + 'static {
    stream::repeat(Bytes::from_static(&ZEROS))
}

/// So many bytes of zero, never more than 64 KiB of them at once.
pub fn zeros(length: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    let chunk = move |index| Bytes::from_static(&ZEROS[..CHUNK.min(length - index * CHUNK)]);
    stream::iter(0..length.div_ceil(CHUNK)).map(chunk)
}

//! `multipart/form-data`: small texts are read, files are passed on as they arrive.

mod paced;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{StatusCode, header};
use multer::{Field, Multipart};
use spin_sdk::{
    wasip3::wit_stream,
    wit_bindgen::{StreamReader, StreamWriter},
};

use crate::{Problem, Request, body::aborted};
use paced::{Pace, Paced, Stopped};

const TEXT_LIMIT: usize = 64 * 1024;
const MOST_PARTS: usize = 32;
/// What texts and headers may add to the largest file.
const SURROUNDINGS: u64 = 4 * 1024 * 1024;

/// The parts of a body, in the order in which they come.
pub struct Parts {
    form: Multipart<'static>,
    pace: Arc<Pace>,
    left: usize,
}

pub enum Part {
    Text { name: String, value: String },
    File(Box<File>),
}

/// A file that has not been read.
pub struct File {
    pub name: String,
    field: Field<'static>,
    pace: Arc<Pace>,
}

impl Request {
    /// The body's parts, of which the largest file has at most `most` bytes. A body that announces
    /// more than that is refused unread.
    pub fn parts(&mut self, most: u64) -> Result<Parts, Problem> {
        let unsupported =
            |error: &'static str| Problem::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, error);
        let content_type = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let boundary = match multer::parse_boundary(content_type) {
            Ok(boundary) => boundary,
            Err(multer::Error::NoBoundary) => {
                return Err(Problem::bad_request("Multipart: Boundary not found"));
            }
            Err(_) => return Err(unsupported("unsupported content type")),
        };
        if self.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(unsupported("unsupported content encoding"));
        }
        let most = most.saturating_add(SURROUNDINGS);
        let announced = self.header(header::CONTENT_LENGTH).and_then(|it| it.parse::<u64>().ok());
        if announced.is_some_and(|it| it > most) {
            return Err(too_large());
        }
        let (body, pace) = Paced::new(self.take_body(), most);
        Ok(Parts { form: Multipart::new(body, boundary), pace, left: MOST_PARTS })
    }
}

impl Parts {
    /// Reads what is left and drops it: a client that is still sending may never see its answer.
    pub async fn drain(mut self) {
        self.pace.discard();
        while let Ok(Some(_)) = self.form.next_field().await {}
    }

    pub async fn next(&mut self) -> Result<Option<Part>, Problem> {
        let Some(field) = self.form.next_field().await.map_err(refusal)? else { return Ok(None) };
        self.left =
            self.left.checked_sub(1).ok_or_else(|| Problem::bad_request("Too many parts"))?;
        self.pace.passed_all();
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = field.file_name().is_some();
        let file = File { name, field, pace: self.pace.clone() };
        if is_file {
            return Ok(Some(Part::File(Box::new(file))));
        }
        Ok(Some(Part::Text { name: file.name.clone(), value: text(file).await? }))
    }
}

async fn text(mut file: File) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = file.chunk().await? {
        if bytes.len() + chunk.len() > TEXT_LIMIT {
            return Err(Problem::bad_request("Field value too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(bytes).ok().filter(|it| !it.contains('\0'));
    text.ok_or_else(|| Problem::bad_request("Field value is not text"))
}

impl File {
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        let chunk = self.field.chunk().await.map_err(refusal)?;
        self.pace.passed(chunk.as_ref().map_or(0, Bytes::len));
        Ok(chunk)
    }

    /// A stream for whoever takes the file, and the work of filling it, to be awaited at the same
    /// time. Where the work fails the stream ends early: what was taken is not the whole file.
    pub fn forward(self) -> (StreamReader<u8>, impl Future<Output = Result<(), Problem>>) {
        let (writer, reader) = wit_stream::new();
        (reader, self.fill(writer))
    }

    async fn fill(mut self, mut writer: StreamWriter<u8>) -> Result<(), Problem> {
        while let Some(chunk) = self.chunk().await? {
            let refused = writer.write_all(chunk.into()).await;
            if !refused.is_empty() {
                // Whoever took the file wants no more of it, and says why.
                break;
            }
        }
        Ok(())
    }
}

fn too_large() -> Problem {
    Problem::refused(StatusCode::PAYLOAD_TOO_LARGE, "File too large")
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn refusal(error: multer::Error) -> Problem {
    let multer::Error::StreamReadFailed(cause) = &error else {
        return Problem::bad_request("Malformed multipart body");
    };
    match cause.downcast_ref() {
        Some(Stopped::TooLarge) => too_large(),
        Some(Stopped::Shapeless) => Problem::bad_request("Malformed multipart body"),
        Some(Stopped::Broken(_)) | None => aborted(),
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn request(content_type: &'static str, chunks: &[&'static [u8]]) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Request::fixture(Method::POST, "/", headers, chunks)
    }

    async fn shown(mut request: Request) -> Result<Vec<String>, Problem> {
        let mut parts = request.parts(1000)?;
        let mut shown = Vec::new();
        while let Some(part) = parts.next().await? {
            match part {
                Part::Text { name, value } => shown.push(format!("{name}={value}")),
                Part::File(mut file) => {
                    let mut length = 0;
                    while let Some(chunk) = file.chunk().await? {
                        length += chunk.len();
                    }
                    shown.push(format!("{}: {length} bytes", file.name));
                }
            }
        }
        Ok(shown)
    }

    static FILLER: &[u8] = &[b'x'; 16 * 1024];
    const FORM: &str = "multipart/form-data; boundary=x";

    #[test]
    fn texts_and_files_come_in_their_order() {
        let chunks: [&[u8]; 4] = [
            b"--x\r\nContent-Disposition: form-data; name=\"os\"\r\n\r\nlinux\r\n--x\r\n",
            b"Content-Disposition: form-data; name=\"binary\"; filename=\"a.bin\"\r\nContent-Type: a/b\r\n\r\n\x7fEL",
            b"F\0\r\n--",
            b"x--\r\n",
        ];
        assert_eq!(
            block_on(shown(request(FORM, &chunks))).unwrap(),
            ["os=linux", "binary: 5 bytes"]
        );
    }

    #[track_caller]
    fn refuses(content_type: &'static str, chunks: &[&'static [u8]], status: u16, error: &str) {
        let response = block_on(shown(request(content_type, chunks))).unwrap_err().into_response();
        let body: serde_json::Value = serde_json::from_slice(&response.bytes()).unwrap();
        assert_eq!((response.status.as_u16(), body["error"].as_str().unwrap()), (status, error));
    }

    #[test]
    fn a_body_that_never_comes_to_a_part_is_no_upload() {
        refuses(FORM, &[FILLER; 80], 400, "Malformed multipart body");
        let head: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"os\"\r\nX-Filler: ";
        let chunks: Vec<_> = [head].into_iter().chain([FILLER; 80]).collect();
        refuses(FORM, &chunks, 400, "Malformed multipart body");
    }

    #[test]
    fn a_body_has_a_size() {
        let head: &[u8] =
            b"--x\r\nContent-Disposition: form-data; name=\"binary\"; filename=\"a\"\r\n\r\n";
        let chunks: Vec<_> = [head].into_iter().chain([FILLER; 320]).collect();
        refuses(FORM, &chunks, 413, "File too large");
    }

    #[test]
    fn a_body_that_announces_too_much_is_refused_unread() {
        let announcing = |length: u64| {
            let mut request = request(FORM, &[]);
            request.headers.insert(header::CONTENT_LENGTH, length.into());
            request.body = Some(Box::pin(futures::stream::poll_fn(|_| panic!("it was read"))));
            request
        };
        let refused = block_on(shown(announcing(1000 + SURROUNDINGS + 1))).unwrap_err();
        assert_eq!(refused.into_response().status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(announcing(1000 + SURROUNDINGS).parts(1000).is_ok());
    }

    #[test]
    fn a_value_that_is_no_text_is_refused() {
        let head: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"os\"\r\n\r\n";
        let end: &[u8] = b"\r\n--x--\r\n";
        for value in [&b"lin\0ux"[..], b"\0", b"lin\xffux", b"\xed\xa0\x80", b"\xc3"] {
            refuses(FORM, &[head, value, end], 400, "Field value is not text");
        }
        let accented = block_on(shown(request(FORM, &[head, "\u{e9}".as_bytes(), end])));
        assert_eq!(accented.unwrap(), ["os=\u{e9}"]);
    }

    #[test]
    fn a_body_that_ends_early_is_no_upload() {
        let file: &[u8] =
            b"--x\r\nContent-Disposition: form-data; name=\"binary\"; filename=\"a\"\r\n\r\nhalf";
        refuses(FORM, &[file], 400, "Malformed multipart body");
        refuses("multipart/form-data", &[], 400, "Multipart: Boundary not found");
        refuses("application/json", &[b"{}"], 415, "unsupported content type");
    }
}

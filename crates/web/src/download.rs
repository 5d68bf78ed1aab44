//! Answers that are files.

use http::{HeaderName, HeaderValue, StatusCode, header};
use spin_sdk::wit_bindgen::StreamReader;

use crate::{Response, contract::Artifact, response::Body};

/// The content as an attachment, passed on as it comes.
pub fn attachment(artifact: &Artifact, content: StreamReader<u8>) -> Response {
    let response = Response {
        status: StatusCode::OK,
        headers: vec![
            (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (header::CONTENT_DISPOSITION, disposition(&artifact.filename)),
        ],
        body: Body::Stream { content, size: Some(artifact.size) },
    };
    match artifact.version.as_deref().map(HeaderValue::from_str) {
        Some(Ok(version)) => response.with(HeaderName::from_static("x-agent-version"), version),
        Some(Err(_)) | None => response,
    }
}

/// What is made as it is read, as an attachment: how long it will be, nobody knows.
pub fn export(filename: &str, kind: &'static str, content: StreamReader<u8>) -> Response {
    Response {
        status: StatusCode::OK,
        headers: vec![
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::CONTENT_DISPOSITION, disposition(filename)),
        ],
        body: Body::Stream { content, size: None },
    }
}

/// The name in quotes, with `_` for whatever could end them early or is no visible ASCII.
fn disposition(filename: &str) -> HeaderValue {
    let safe = |it: char| {
        if it.is_ascii_graphic() && !matches!(it, '"' | '\\') || it == ' ' { it } else { '_' }
    };
    let name: String = filename.chars().map(safe).collect();
    HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
        .expect("the name is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(disposition("agent.exe"), "attachment; filename=\"agent.exe\"");
        assert_eq!(
            disposition("file\"name\r\n\\test.exe"),
            "attachment; filename=\"file_name___test.exe\""
        );
        assert_eq!(disposition("naïve"), "attachment; filename=\"na_ve\"");
    }
}

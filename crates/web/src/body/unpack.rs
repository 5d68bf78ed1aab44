//! `Content-Encoding`: unpacking with a limit, so that a small body cannot become a huge one.

use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, StatusCode, header};

use crate::Problem;

#[derive(Debug, Clone, Copy)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(sent) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::Identity) };
        let name = String::from_utf8_lossy(sent.as_bytes()).trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "br" => Ok(Self::Brotli),
            other => Err(Problem::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("unsupported content encoding \"{other}\""),
            )),
        }
    }

    /// None when the content would be longer than `limit`.
    pub(super) fn unpack(self, packed: Vec<u8>, limit: usize) -> Result<Option<Vec<u8>>, Problem> {
        match self {
            Self::Identity => Ok(Some(packed)),
            Self::Gzip => bounded(MultiGzDecoder::new(packed.as_slice()), limit),
            Self::Deflate => bounded(ZlibDecoder::new(packed.as_slice()), limit),
            Self::Brotli => bounded(Decompressor::new(packed.as_slice(), 4096), limit),
        }
    }
}

fn bounded(content: impl Read, limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    content
        .take(one_more)
        .read_to_end(&mut bytes)
        .map_err(|_| Problem::bad_request("invalid compressed body"))?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

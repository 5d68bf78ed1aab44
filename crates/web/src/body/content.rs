//! What a `Content-Type` says.

use http::{HeaderMap, StatusCode, header};

use crate::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Json,
    Form,
    /// Anything else, or nothing.
    Other,
}

impl Content {
    /// Refuses text in another charset than UTF-8.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(Ok(sent)) = headers.get(header::CONTENT_TYPE).map(|it| it.to_str()) else {
            return Ok(Self::Other);
        };
        let (media, parameters) = sent.split_once(';').unwrap_or((sent, ""));
        let content = match media.trim() {
            it if it.eq_ignore_ascii_case("application/json") => Self::Json,
            it if it.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Self::Form,
            _ => return Ok(Self::Other),
        };
        match charset(parameters) {
            Some(other) if !matches!(other.to_ascii_lowercase().as_str(), "utf-8" | "utf8") => {
                let error = format!("unsupported charset \"{}\"", other.to_ascii_uppercase());
                Err(Problem::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, error))
            }
            Some(_) | None => Ok(content),
        }
    }
}

fn charset(parameters: &str) -> Option<&str> {
    let named = parameters.split(';').filter_map(|it| it.split_once('='));
    let mut charsets = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charsets.next().map(|(_, value)| value.trim().trim_matches('"'))
}

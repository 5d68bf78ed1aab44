//! Reading bodies: bounded while they are read and again while they are unpacked (fleet.md §1.4).

mod content;
mod counted;
mod unpack;

use futures::StreamExt as _;
use http::{StatusCode, header};
use serde_json::{Map, Value};

use crate::{Problem, Request, request::Incoming};
use content::Content;
use unpack::Encoding;

/// What a route takes.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    limit: usize,
    /// 413, or a plain 400 for clients that would repeat a 413 for ever (D-68).
    too_large: StatusCode,
    /// How many bytes of a body that is too large are read and dropped, so that the refusal
    /// arrives: a client that is cut off while sending sees no answer at all.
    patience: usize,
    /// Forms count as JSON; what is neither is ignored. Otherwise only JSON may come (D-85).
    lenient: bool,
}

const MEBIBYTE: usize = 1024 * 1024;
const FORM_LIMIT: usize = 100 * 1024;
/// A result with thousands of controls fits; a value takes up to 300 bytes of memory.
const MOST_VALUES: usize = 200_000;

impl Rules {
    /// Strangers and agents.
    pub const LENIENT: Self = Self {
        limit: 10 * MEBIBYTE,
        too_large: StatusCode::PAYLOAD_TOO_LARGE,
        patience: 0,
        lenient: true,
    };
    /// Results: two outputs of 1 MiB, each escaped up to sixfold.
    pub const RESULT: Self = Self {
        limit: 16 * MEBIBYTE,
        too_large: StatusCode::BAD_REQUEST,
        patience: 64 * MEBIBYTE,
        lenient: true,
    };
    /// People.
    pub const STRICT: Self = Self {
        limit: 10 * MEBIBYTE,
        too_large: StatusCode::PAYLOAD_TOO_LARGE,
        patience: 0,
        lenient: false,
    };

    /// The status of the refusal of a body that is too large.
    pub(crate) fn too_large(self) -> StatusCode {
        self.too_large
    }

    fn oversize(self) -> Problem {
        Problem::refused(self.too_large, "request entity too large")
    }
}

impl Request {
    /// The body as JSON: an object or an array, `{}` where there is none. Can be read once.
    pub async fn body(&mut self, rules: Rules) -> Result<Value, Problem> {
        let mut incoming = self.take_body();
        match Content::of(&self.headers)? {
            Content::Json => json(&self.read(incoming, rules).await?),
            Content::Form if rules.lenient => {
                let limit = rules.limit.min(FORM_LIMIT);
                Ok(form(&self.read(incoming, Rules { limit, ..rules }).await?))
            }
            Content::Form | Content::Other if rules.lenient => Ok(Value::Object(Map::new())),
            Content::Form | Content::Other if is_empty(&mut incoming).await? => {
                Ok(Value::Object(Map::new()))
            }
            Content::Form | Content::Other => Err(Problem::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported content type",
            )),
        }
    }

    pub(crate) fn take_body(&mut self) -> Incoming {
        self.body.take().unwrap_or_else(|| Box::pin(futures::stream::empty()))
    }

    async fn read(&self, incoming: Incoming, rules: Rules) -> Result<Vec<u8>, Problem> {
        let encoding = Encoding::of(&self.headers)?;
        let announced = self.header(header::CONTENT_LENGTH).and_then(|it| it.parse::<usize>().ok());
        if announced.is_some_and(|it| it > rules.limit) {
            discard(incoming, rules.patience).await;
            return Err(rules.oversize());
        }
        let packed = collect(incoming, announced, rules).await?;
        encoding.unpack(packed, rules.limit)?.ok_or_else(|| rules.oversize())
    }
}

/// A body of known length is over with its last byte: to hear so would be another wait.
async fn collect(
    mut incoming: Incoming,
    announced: Option<usize>,
    rules: Rules,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(MEBIBYTE));
    while announced != Some(bytes.len())
        && let Some(chunk) = incoming.next().await
    {
        let chunk = chunk.map_err(|_| aborted())?;
        if bytes.len() + chunk.len() > rules.limit {
            drop(bytes);
            discard(incoming, rules.patience).await;
            return Err(rules.oversize());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn discard(mut incoming: Incoming, patience: usize) {
    let mut left = patience;
    while left > 0
        && let Some(Ok(chunk)) = incoming.next().await
    {
        left = left.saturating_sub(chunk.len());
    }
}

async fn is_empty(incoming: &mut Incoming) -> Result<bool, Problem> {
    while let Some(chunk) = incoming.next().await {
        if !chunk.map_err(|_| aborted())?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn aborted() -> Problem {
    Problem::bad_request("request aborted")
}

fn json(bytes: &[u8]) -> Result<Value, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let value = counted::parse(bytes, MOST_VALUES)
        .map_err(|it| Problem::bad_request(format!("Invalid JSON: {it}")))?;
    match value {
        Value::Object(_) | Value::Array(_) => Ok(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(Problem::bad_request("Invalid JSON: expected an object or an array"))
        }
    }
}

/// Plain pairs; a repeated key becomes a list.
fn form(bytes: &[u8]) -> Value {
    let mut fields = Map::new();
    for (key, value) in form_urlencoded::parse(bytes) {
        let value = Value::String(value.into_owned());
        match fields.get_mut(key.as_ref()) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                fields.insert(key.into_owned(), value);
            }
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests;

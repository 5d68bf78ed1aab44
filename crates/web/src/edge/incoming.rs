//! A request's body as it comes from the host. Nobody asks for it before it is read.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use spin_sdk::{
    wasip3::{
        http::types::{ErrorCode, Request as Received, Trailers},
        wit_future,
    },
    wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult},
};

use crate::request::{Broken, Incoming};

/// Bytes that are taken from the host at once.
const CHUNK: usize = 16 * 1024;

enum State {
    Unread(Received),
    Reading(Reading),
    Over,
}

struct Reading {
    content: StreamReader<u8>,
    trailers: FutureReader<Result<Option<Trailers>, ErrorCode>>,
    /// Our word on what we read; the host waits for it.
    _outcome: FutureWriter<Result<(), ErrorCode>>,
}

pub(super) fn body(received: Received) -> Incoming {
    Box::pin(stream::unfold(State::Unread(received), next).fuse())
}

async fn next(state: State) -> Option<(Result<Bytes, Broken>, State)> {
    let mut reading = match state {
        State::Unread(received) => Reading::begin(received),
        State::Reading(reading) => reading,
        State::Over => return None,
    };
    let (result, chunk) = reading.content.read(Vec::with_capacity(CHUNK)).await;
    match result {
        StreamResult::Complete(_) => Some((Ok(chunk.into()), State::Reading(reading))),
        // Only the trailers tell whether that was all.
        StreamResult::Dropped | StreamResult::Cancelled => match reading.trailers.await {
            Ok(_) => None,
            Err(_) => Some((Err(Broken), State::Over)),
        },
    }
}

impl Reading {
    fn begin(received: Received) -> Self {
        let (outcome, told) = wit_future::new(|| Ok(()));
        let (content, trailers) = Received::consume_body(received, told);
        Self { content, trailers, _outcome: outcome }
    }
}

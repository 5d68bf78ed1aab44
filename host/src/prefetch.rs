//! Small bodies that came with their head.
//!
//! hyper reads the first piece of a body along with its head, unless the client waits to be asked for
//! it. A body that is whole with that goes to the guest as bytes, without a channel to the connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::FutureExt as _;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::body::{self, Body};

/// A body of more than this is read as the guest asks for it.
const MOST: u64 = 64 * 1024;

/// The body, with its first piece taken from the connection if it has come. Never waits for the client.
pub(crate) fn prefetch<B>(mut incoming: B) -> Body
where
    B: http_body::Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    match incoming.size_hint().exact() {
        Some(0) => return body::empty(),
        Some(1..=MOST) => {}
        Some(_) | None => return body::from(incoming),
    }
    match incoming.frame().now_or_never().flatten() {
        Some(Ok(frame)) if incoming.is_end_stream() && frame.is_data() => {
            body::full(frame.into_data().unwrap_or_default())
        }
        Some(first) => body::from(Begun { first: Some(first), rest: incoming }),
        None => body::from(incoming),
    }
}

/// A body whose first frame was taken already.
struct Begun<B> {
    first: Option<Result<Frame<Bytes>, hyper::Error>>,
    rest: B,
}

impl<B> http_body::Body for Begun<B>
where
    B: http_body::Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // What is left of it is known to the connection; what was taken is not.
        if self.first.is_none() { self.rest.size_hint() } else { SizeHint::default() }
    }
}

//! Bodies: streams of bytes, bounded where we are told to.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::Error;

use crate::clock::Arrival;

/// The body of a request or an answer. It streams.
pub type Body = wasmtime_wasi_http::WasiBody;

pub fn empty() -> Body {
    Empty::new().map_err(Error::from).boxed_unsync()
}

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(Error::from).boxed_unsync()
}

/// Any body as ours.
pub(crate) fn from<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    body.map_err(|e| Error::InternalError(Some(e.into().to_string()))).boxed_unsync()
}

/// Fails once more than so many bytes have passed.
pub(crate) fn limited(body: Body, limit: u64) -> Body {
    Limited { body, left: limit, limit }.boxed_unsync()
}

struct Limited {
    body: Body,
    left: u64,
    limit: u64,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.remaining() as u64) {
                Some(left) => self.left = left,
                None => {
                    return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.limit)))));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Notes what arrives, and fails once the time of its request is over.
pub(crate) fn watched(body: Body, arrival: Arc<Arrival>) -> Body {
    Watched { body: Some(body), arrival }.boxed_unsync()
}

struct Watched {
    /// None once it has failed: then nobody waits for the sender.
    body: Option<Body>,
    arrival: Arc<Arrival>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.arrival.note();
                Poll::Ready(frame)
            }
            Poll::Pending if this.arrival.poll_over(cx) => {
                this.body = None;
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

/// Holds a permit until the last byte is out, or nobody wants it any more.
pub(crate) fn holding(body: Body, permit: Option<Arc<OwnedSemaphorePermit>>) -> Body {
    Holding { body, permit }.boxed_unsync()
}

struct Holding {
    body: Body,
    permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl http_body::Body for Holding {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() {
            self.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! A connection on which a body was not read to its end reads on for a while before it is closed.
//!
//! Closed at once, it would be reset, and a client that is still sending might never see the answer
//! that tells why (RFC 9112 §9.6). One that sent all and keeps its side open delays a drain by as much.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// What is not sent by then is lost, and the answer maybe with it.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether the body of the connection's last request was given up before its end.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    pub(super) fn watch(&self, body: Incoming) -> Watched {
        self.0.store(false, Relaxed);
        Watched { is_read: body.is_end_stream(), body, unread: self.clone() }
    }
}

/// A body that tells when it is given up.
pub(super) struct Watched {
    body: Incoming,
    is_read: bool,
    unread: Unread,
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Before the body is dropped, which tells the connection.
        if !self.is_read {
            self.unread.0.store(true, Relaxed);
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.is_read = frame.is_none() || self.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    pub(super) struct Lingering<S> {
        #[pin]
        stream: S,
        unread: Unread,
        // Made when the client was told that nothing more comes.
        end: Option<Pin<Box<Sleep>>>,
    }
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Self { stream, unread, end: None }
    }
}

impl<S: AsyncRead> AsyncRead for Lingering<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Lingering<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if this.end.is_none() {
            ready!(this.stream.as_mut().poll_shutdown(cx))?;
            if !this.unread.0.load(Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let end = this.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(LIMIT)));
        let mut bytes = [0; 16 * 1024];
        // A socket that always has more gives way by itself now and then.
        while end.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(this.stream.as_mut().poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

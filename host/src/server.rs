//! HTTP/1.1 on a port. TLS and HTTP/2 are for a proxy in front.

mod linger;
mod stall;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use http::{
    Request, Response, StatusCode, Version,
    header::{EXPECT, HOST},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use linger::{Lingering, Unread, Watched};
use stall::Stalling;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    application::Application,
    body::{self, Body},
    prefetch::prefetch,
};

/// Where `accept` fails for want of file descriptors, some will be closed soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// hyper reads into a buffer of at least this.
const MIN_BUFFER: usize = 8192;

impl Application {
    /// Serves until `shutdown` resolves. Then no connection is accepted, what
    /// is in flight is finished up to `Options::drain_timeout`, and this returns.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut shutdown = pin!(shutdown);
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.connect(stream, client, &connections),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop(listener);
        // What is not done by then is dropped with the runtime.
        drop(tokio::time::timeout(self.0.options.drain_timeout, connections.shutdown()).await);
        Ok(())
    }

    fn connect(&self, stream: TcpStream, client: SocketAddr, connections: &GracefulShutdown) {
        // Without it a small answer in two writes waits for a delayed ACK.
        drop(stream.set_nodelay(true));
        let unread = Unread::default();
        let stream = Stalling::new(stream, self.0.options.write_timeout);
        let stream = Lingering::new(stream, unread.clone());
        let application = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let application = application.clone();
            let request = request.map(|body| unread.watch(body));
            async move { Ok::<_, Infallible>(application.receive(request, client).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.0.options.header_timeout)
            .max_buf_size(self.0.options.max_header_bytes.max(MIN_BUFFER))
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        // A connection that breaks is the client's business.
        tokio::spawn(async move { drop(connection.await) });
    }

    async fn receive(&self, request: Request<Watched>, client: SocketAddr) -> Response<Body> {
        let is_nameless = !request.headers().contains_key(HOST)
            && request.uri().authority().is_none()
            && request.version() == Version::HTTP_11;
        if is_nameless {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        }
        let (head, body) = request.into_parts();
        // Asked for a body that is still to be sent, hyper would have it sent: that is for the guest.
        let body =
            if head.headers.contains_key(EXPECT) { body::from(body) } else { prefetch(body) };
        self.0.route(None, Request::from_parts(head, body), client).await
    }
}

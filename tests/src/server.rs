//! Where requests go: to components in this process, or to a server over the network.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any body, in either direction. It streams.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

#[derive(Clone)]
pub enum Server {
    InProcess(host::Application),
    Network { base: String, client: Client<HttpConnector, Body> },
}

/// There was no answer: no connection, or one that broke.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer: {0}")]
pub struct Unreachable(pub String);

impl Server {
    /// A server at `http://host:port`. Each request has a connection of its own, so that none fails
    /// because an earlier one broke.
    pub fn at(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self::Network { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// The target is a path. `client` is where it comes from, which a network does not let us choose.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        client: SocketAddr,
    ) -> Result<Response<Body>, Unreachable> {
        match self {
            Self::InProcess(application) => {
                let response = application.handle(request, client).await;
                Ok(response.map(|it| it.map_err(BoxError::from).boxed_unsync()))
            }
            Self::Network { base, client } => {
                let uri = format!("{base}{}", request.uri());
                *request.uri_mut() = uri.parse::<Uri>().map_err(|e| Unreachable(e.to_string()))?;
                let response =
                    client.request(request).await.map_err(|e| Unreachable(e.to_string()))?;
                Ok(response.map(|it| it.map_err(BoxError::from).boxed_unsync()))
            }
        }
    }
}

pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

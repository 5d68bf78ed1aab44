//! An application that runs: requests in, answers out, with or without a port.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::handler::{InstantiationError, ProxyHandler};

use crate::{
    access_log::{AccessLog, Line},
    body::{self, Body},
    clock::{self, Arrival, Patience},
    fault::LoadError,
    headers,
    instance::{Factory, Ticket},
    load,
    manifest::Manifest,
    options::Options,
    routes::{Route, Router},
};

/// A loaded application. Clones share it.
#[derive(Clone)]
pub struct Application(pub(crate) Arc<Running>);

pub(crate) struct Running {
    pub(crate) manifest: Manifest,
    pub(crate) options: Options,
    pub(crate) router: Router,
    pub(crate) handlers: BTreeMap<String, ProxyHandler<Factory>>,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) log: AccessLog,
}

type Permit = Option<Arc<OwnedSemaphorePermit>>;

/// How an answer came to be, for the log.
struct Answer {
    response: Response<Body>,
    failure: Option<String>,
}

impl Application {
    /// Reads, checks, composes, compiles and links everything. Nothing of it
    /// runs until a request comes. This takes seconds unless it is cached.
    pub fn load(manifest: &Path, options: Options) -> Result<Self, LoadError> {
        load::load(manifest, options)
    }

    /// Answers a request as if it came over the network from `client`.
    ///
    /// Must be called on a tokio runtime. A failure is an answer, too.
    pub async fn handle<B>(&self, request: Request<B>, client: SocketAddr) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.0.route(None, request.map(body::from), client).await
    }

    /// Sends a request to a component by its id, whatever its route, private
    /// ones too. The answer to an unknown component is 404.
    pub async fn call<B>(
        &self,
        component: &str,
        request: Request<B>,
        client: SocketAddr,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.0.route(Some(component), request.map(body::from), client).await
    }

    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    pub fn router(&self) -> &Router {
        &self.0.router
    }
}

impl Running {
    pub(crate) fn serves(&self, component: &str) -> bool {
        self.handlers.contains_key(component)
    }

    /// A request of one of our guests. It is part of one in flight, so it does
    /// not wait for a place of its own.
    pub(crate) async fn chain(
        &self,
        component: Option<&str>,
        request: Request<Body>,
    ) -> Response<Body> {
        let client = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let answer = match component {
            Some(id) => self.answer(&Route::to_component(id), request, client, None).await,
            None => match self.router.find(request.uri().path()) {
                Some(found) => self.answer(found.route, request, client, None).await,
                None => plain(StatusCode::NOT_FOUND),
            },
        };
        answer.response
    }

    /// Finds who answers, within the limits, and writes the log.
    pub(crate) async fn route(
        &self,
        component: Option<&str>,
        request: Request<Body>,
        client: SocketAddr,
    ) -> Response<Body> {
        let start = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let direct = component.map(Route::to_component);
        let route = match &direct {
            Some(route) => Some(route),
            None => self.router.find(&path).map(|it| it.route),
        };
        let answer = match (well_known(&path, &self.manifest), route) {
            (Some(response), _) if direct.is_none() => Answer { response, failure: None },
            (_, None) => plain(StatusCode::NOT_FOUND),
            (_, Some(route)) => match self.in_flight.clone().try_acquire_owned() {
                Ok(permit) => self.answer(route, request, client, Some(Arc::new(permit))).await,
                Err(_) => busy("too many requests in flight"),
            },
        };
        self.log.request(&Line {
            method: &method,
            path: &path,
            client,
            component: route.map(|it| it.component.as_str()),
            status: answer.response.status(),
            duration: start.elapsed(),
            request_id: answer
                .response
                .headers()
                .get("x-request-id")
                .and_then(|it| it.to_str().ok()),
            failure: answer.failure.as_deref(),
        });
        answer.response
    }

    async fn answer(
        &self,
        route: &Route,
        mut request: Request<Body>,
        client: SocketAddr,
        permit: Permit,
    ) -> Answer {
        let Some(handler) = self.handlers.get(&route.component) else {
            return plain(StatusCode::NOT_FOUND);
        };
        if headers::set_uri(&mut request).is_err() {
            return plain(StatusCode::BAD_REQUEST);
        }
        if let Some(limit) = self.options.max_body_bytes {
            if declared_length(&request).is_some_and(|it| it > limit) {
                return plain(StatusCode::PAYLOAD_TOO_LARGE);
            }
            request = request.map(|it| body::limited(it, limit));
        }
        let uri = request.uri().clone();
        let Some(found) = route.match_path(uri.path()) else { return plain(StatusCode::NOT_FOUND) };
        headers::add(request.headers_mut(), &uri, &found, client);
        let mut arrival = None;
        if !request.body().is_end_stream() {
            let watched = Arc::<Arrival>::default();
            arrival = Some(watched.clone());
            request = request.map(|it| body::watched(it, watched));
        }
        run(handler, request, Ticket { permit, arrival }, (&self.options).into()).await
    }
}

/// The instance watches its own time; this is for a request that never gets one.
const GRACE: Duration = Duration::from_secs(5);

async fn run(
    handler: &ProxyHandler<Factory>,
    request: Request<Body>,
    ticket: Ticket,
    patience: Patience,
) -> Answer {
    let permit = ticket.permit.clone();
    let over = clock::over(Instant::now(), patience.and(GRACE), ticket.arrival.clone());
    let answer = tokio::select! {
        biased;
        answer = handler.handle(ticket, request) => answer,
        () = over => {
            let failure = Some("no instance within the time of a request".into());
            return Answer { failure, ..plain(StatusCode::INTERNAL_SERVER_ERROR) };
        }
    };
    match answer {
        Ok(response) => {
            let response = response.map(|it| body::holding(it, permit));
            Answer { response, failure: None }
        }
        Err(error) if error.is::<InstantiationError<Ticket>>() => busy(&format!("{error:#}")),
        Err(error) => {
            let failure = Some(format!("{error:#}"));
            Answer { failure, ..plain(StatusCode::INTERNAL_SERVER_ERROR) }
        }
    }
}

fn declared_length<B>(request: &Request<B>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `/.well-known/spin/…` is never routed, as in Spin.
fn well_known(path: &str, manifest: &Manifest) -> Option<Response<Body>> {
    let name = path.strip_prefix("/.well-known/spin/")?;
    Some(match name {
        "health" => Response::new(body::full("OK")),
        "info" => {
            let info = serde_json::json!({ "name": manifest.name, "version": manifest.version });
            let mut response = Response::new(body::full(info.to_string()));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        _ => plain(StatusCode::NOT_FOUND).response,
    })
}

/// Only a status: what went wrong is for the log.
fn plain(status: StatusCode) -> Answer {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    Answer { response, failure: None }
}

fn busy(why: &str) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE);
    answer.response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Answer { failure: Some(why.to_owned()), ..answer }
}

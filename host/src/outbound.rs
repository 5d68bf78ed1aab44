//! Requests of guests to the outside (`wasi:http/client@0.3`), let out only by
//! `allowed_outbound_hosts`.
//!
//! A request to `self` stays in the process: it needs no port to be open. So
//! does one to `<component>.spin.internal`, which reaches private routes too.

mod allowed;

use std::{sync::Arc, time::Duration};

pub use allowed::{AllowedHost, AllowedHostError};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::state::Granted;

/// Bounds for a guest that sets none.
const CONNECT: Duration = Duration::from_secs(10);
const FIRST_BYTE: Duration = Duration::from_mins(1);
const BETWEEN_BYTES: Duration = Duration::from_mins(1);

pub(crate) struct Hooks(pub(crate) Arc<Granted>);

enum Target {
    Denied,
    Outside,
    Itself,
    Component(String),
}

impl Hooks {
    fn target(&self, uri: &Uri) -> Target {
        let allowed = &self.0.allowed_outbound_hosts;
        let host = uri.host().filter(|it| *it != "self.alt" && *it != "self");
        let Some(host) = host else {
            let is_allowed = allowed.iter().any(AllowedHost::allows_itself);
            return if is_allowed { Target::Itself } else { Target::Denied };
        };
        if !allowed.iter().any(|it| it.allows(uri)) {
            return Target::Denied;
        }
        match host.strip_suffix(".spin.internal") {
            Some(id) => Target::Component(id.to_owned()),
            None => Target::Outside,
        }
    }
}

type Sent = Result<(Response<WasiBody>, Progress), Error>;
type Progress = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Progress,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let target = self.target(request.uri());
        let application = self.0.application.upgrade();
        Box::new(async move {
            let own = |response| (response, Box::new(async { Ok(()) }) as Progress);
            match (target, application) {
                (Target::Denied, _) => Err(Error::HttpRequestDenied),
                (Target::Outside, _) => send_outside(request, options).await,
                (Target::Itself, Some(application)) => {
                    Ok(own(application.chain(None, request).await))
                }
                (Target::Component(id), Some(application)) if application.serves(&id) => {
                    Ok(own(application.chain(Some(&id), request).await))
                }
                _ => Err(Error::DestinationNotFound),
            }
        })
    }
}

async fn send_outside(request: Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
    let options = options.unwrap_or_default();
    let options = RequestOptions {
        connect_timeout: options.connect_timeout.or(Some(CONNECT)),
        first_byte_timeout: options.first_byte_timeout.or(Some(FIRST_BYTE)),
        between_bytes_timeout: options.between_bytes_timeout.or(Some(BETWEEN_BYTES)),
    };
    let (response, progress) =
        wasmtime_wasi_http::default_send_request(request, Some(options)).await?;
    Ok((response.map(BodyExt::boxed_unsync), Box::new(progress)))
}

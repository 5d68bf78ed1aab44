//! Where a component's world meets ours: the host's request in, the host's response out.
//!
//! What the SDK's own request would read besides (scheme, authority, options) nobody needs, and each
//! is a call to the host, for every request.

mod incoming;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use spin_sdk::wasip3::{
    self,
    http::types::{ErrorCode, Fields, Request as Received, Response as Sent},
    wit_future, wit_stream,
};

use crate::{
    Request, Response, Routes, headers,
    response::Body,
    settings::{self, Settings},
};

/// Makes a component's world of its routing table.
#[macro_export]
macro_rules! export {
    ($routes:ident) => {
        mod service {
            use ::spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

            struct Service;

            impl ::spin_sdk::wasip3::exports::http::handler::Guest for Service {
                async fn handle(request: Request) -> Result<Response, ErrorCode> {
                    $crate::edge::serve(&super::$routes, request).await
                }
            }

            ::spin_sdk::wasip3::http::service::export!(Service);
        }
    };
}

/// Answers one request. Fails only where the host hands over what is no HTTP, or refuses our answer.
pub async fn serve(routes: &Routes, received: Received) -> Result<Sent, ErrorCode> {
    let settings = settings::load().await;
    let method: Method =
        received.get_method().try_into().map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
    let target = received.get_path_with_query().unwrap_or_else(|| "/".to_owned());
    let headers = header_map(&received.get_headers())?;
    let request = Request::new(method, target, headers, incoming::body(received), &settings);

    let id = request.id.clone();
    let is_head = request.method == Method::HEAD;
    let response = routes.answer(request).await;
    send(response, &settings, &id, is_head)
}

fn header_map(fields: &Fields) -> Result<HeaderMap, ErrorCode> {
    let lines = fields.copy_all();
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let name = HeaderName::try_from(name).map_err(refused)?;
        headers.append(name, HeaderValue::try_from(value).map_err(refused)?);
    }
    Ok(headers)
}

fn refused(error: impl std::fmt::Debug) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("{error:?}")))
}

fn send(
    response: Response,
    settings: &Settings,
    request_id: &str,
    is_head: bool,
) -> Result<Sent, ErrorCode> {
    let fields = headers::with_lines(&response, settings, request_id, Fields::from_list);
    let fields = fields.map_err(refused)?;
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let status = response.status.as_u16();
    let sent = match response.body {
        _ if is_head => Sent::new(fields, None, no_trailers).0,
        Body::Empty => Sent::new(fields, None, no_trailers).0,
        Body::Full(bytes) => {
            let (mut writer, content) = wit_stream::new();
            let sent = Sent::new(fields, Some(content), no_trailers).0;
            wasip3::spawn(async move {
                writer.write_all(bytes).await;
            });
            sent
        }
        // The bytes go from the domain to the host without passing through us.
        Body::Stream { content, .. } => Sent::new(fields, Some(content), no_trailers).0,
    };
    // Nobody may be left to hear that there are no trailers.
    wasip3::spawn(async move {
        let _ = trailers.write(Ok(None)).await;
    });
    sent.set_status_code(status)
        .map_err(|()| ErrorCode::InternalError(Some("status code".to_owned())))?;
    Ok(sent)
}

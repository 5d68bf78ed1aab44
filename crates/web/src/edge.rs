//! Where a component's world meets ours: the host's request in, the host's response out.

use futures::TryStreamExt as _;
use http::Method;
use spin_sdk::{
    http::{Request as Received, body::IncomingBodyExt as _},
    wasip3::{
        self,
        http::types::{ErrorCode, Fields, Response as Sent},
        wit_future, wit_stream,
    },
};

use crate::{
    Request, Response, Routes, headers,
    request::Broken,
    response::Body,
    settings::{self, Settings},
};

/// Answers one request. Fails only where the host refuses our answer.
pub async fn serve(routes: &Routes, received: Received) -> Result<Sent, ErrorCode> {
    let settings = settings::load().await;
    let (parts, body) = received.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let body = Box::pin(body.stream().map_err(|_| Broken));
    let request = Request::new(parts.method, target, parts.headers, body, &settings);

    let id = request.id.clone();
    let is_head = request.method == Method::HEAD;
    let response = routes.answer(request).await;
    send(response, &settings, &id, is_head)
}

fn send(
    response: Response,
    settings: &Settings,
    request_id: &str,
    is_head: bool,
) -> Result<Sent, ErrorCode> {
    let lines = headers::lines(&response, settings, request_id);
    let fields = Fields::from_list(&lines)
        .map_err(|it| ErrorCode::InternalError(Some(format!("{it:?}"))))?;
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

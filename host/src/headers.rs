//! What Spin adds to a request: `spin-*` headers and an absolute URI.
//!
//! Values that a client sent under these names stay, before ours, as in Spin:
//! a guest believes the last one.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::HOST,
    uri::{Authority, Scheme},
};

use crate::routes::Match;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's authority is invalid or contradicts itself")]
pub(crate) struct BadAuthority;

/// Makes the URI absolute, from the `Host` header or the URI itself.
pub(crate) fn set_uri<B>(request: &mut Request<B>) -> Result<(), BadAuthority> {
    let named = match request.headers().get(HOST) {
        None => None,
        Some(host) => {
            let host: Authority = host.as_bytes().try_into().map_err(|_| BadAuthority)?;
            Some(host)
        }
    };
    let mut parts = request.uri().clone().into_parts();
    let authority = match (named, parts.authority) {
        (Some(a), Some(b)) if a != b => return Err(BadAuthority),
        (Some(it), _) | (None, Some(it)) => it,
        (None, None) => Authority::from_static("localhost"),
    };
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert(http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| BadAuthority)?;
    Ok(())
}

pub(crate) fn add(headers: &mut HeaderMap, uri: &Uri, found: &Match<'_, '_>, client: SocketAddr) {
    let route = found.route;
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    };
    add("spin-path-info", found.rest);
    add("spin-full-url", &uri.to_string());
    add("spin-matched-route", &route.pattern);
    add("spin-base-path", "/");
    add("spin-raw-component-route", &route.pattern);
    add("spin-component-route", route.prefix());
    add("spin-client-addr", &client.to_string());
    for (name, value) in &found.named {
        let name = name.to_ascii_lowercase().replace('_', "-");
        add(&format!("spin-path-match-{name}"), value);
    }
}

//! Paths whose spelling the host's case-sensitive routing gave to the wrong tier.
//!
//! The caller is sent to the canonical spelling. The location always starts with one of our own
//! literal prefixes, so it never leads to another host.

use http::{HeaderValue, StatusCode, header};

use crate::{Request, Response};

/// 308 to the same target with its leading segments spelled as one of `prefixes`, of which the
/// longest must come first. None where no prefix fits or the spelling is canonical already.
pub fn to_canonical(request: &Request, prefixes: &[&str]) -> Option<Response> {
    let collapsed = request.target.trim_start_matches('/');
    let fits = |prefix: &&&str| {
        let length = prefix.len() - 1;
        let start = collapsed.as_bytes().get(..length);
        let next = collapsed.as_bytes().get(length);
        start.is_some_and(|it| it.eq_ignore_ascii_case(&prefix.as_bytes()[1..]))
            && matches!(next, None | Some(b'/' | b'?'))
    };
    let prefix = prefixes.iter().find(fits)?;
    let mut location = format!("{prefix}{}", &collapsed[prefix.len() - 1..]);
    let path = location.find('?').unwrap_or(location.len());
    if location[..path].strip_suffix('/') == Some(prefix) {
        location.remove(path - 1);
    }
    if location == request.target {
        return None;
    }
    let location = HeaderValue::try_from(location).ok()?;
    Some(Response::empty(StatusCode::PERMANENT_REDIRECT).with(header::LOCATION, location))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    #[track_caller]
    fn check(target: &str, expected: Option<&str>) {
        let request = Request::fixture(Method::GET, target, HeaderMap::new(), &[]);
        let response =
            to_canonical(&request, &["/api/agent/admin", "/api/agent/config", "/api/agent"]);
        let location =
            response.as_ref().map(|it| it.header(&header::LOCATION).unwrap().to_str().unwrap());
        assert_eq!(location, expected, "{target}");
    }

    #[test]
    fn the_prefix_is_respelled_and_the_rest_is_kept() {
        check("//API/Agent/heartbeat", Some("/api/agent/heartbeat"));
        check("/api/agent/ADMIN/tasks/A%20b?Q=1", Some("/api/agent/admin/tasks/A%20b?Q=1"));
        check("/api/agent/CONFIG?x", Some("/api/agent/config?x"));
        check("/api/agent/config/", Some("/api/agent/config"));
        check("/API/agent//evil.example", Some("/api/agent//evil.example"));
    }

    #[test]
    fn nobody_is_sent_elsewhere_or_in_circles() {
        check("/api/agent/heartbeat", None);
        check("/api/agentX/heartbeat", None);
        check("//evil.example/api/agent", None);
        check("/", None);
    }
}

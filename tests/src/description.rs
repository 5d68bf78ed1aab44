//! Holds every answer that a test gets to what the `OpenAPI` document says may be answered.
//!
//! So a route or a status that any test has seen cannot be missing there.

use std::{fs, sync::LazyLock};

use http::{Method, StatusCode};
use serde_json::Value;

use crate::application::root;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = fs::read_to_string(root().join("components/public/openapi.json"))
        .expect("the document is committed");
    serde_json::from_str(&text).expect("the document is JSON")
});

/// Methods and patterns of the document.
pub fn operations() -> Vec<(String, String)> {
    let paths = DOCUMENT["paths"].as_object().expect("the document has paths");
    let operations = paths.iter().flat_map(|(pattern, operations)| {
        let methods = operations.as_object().into_iter().flat_map(|it| it.keys());
        methods.map(|method| (method.to_ascii_uppercase(), pattern.clone()))
    });
    operations.collect()
}

/// The pattern of the described operation that a request is.
pub fn pattern(method: &str, path: &str) -> Option<&'static str> {
    let (pattern, operations) = find(&DOCUMENT, method, path)?;
    (!operations[method.to_ascii_lowercase()].is_null()).then_some(pattern)
}

/// Panics where the document does not say that this may be answered.
#[track_caller]
pub fn check(method: &Method, target: &str, status: StatusCode) {
    if let Some(fault) = fault(&DOCUMENT, method, target, status) {
        panic!("{fault}: describe it beside its handler, then `cargo xtask openapi`");
    }
}

fn fault(document: &Value, method: &Method, target: &str, status: StatusCode) -> Option<String> {
    // What the host answers by itself, and what holds for every path.
    const NOT_OURS: [u16; 4] = [404, 405, 414, 431];
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if *method == Method::OPTIONS {
        return None;
    }
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let (pattern, operations) = find(document, method.as_str(), path)?;
    let operation = &operations[method.as_str().to_ascii_lowercase()];
    if operation.is_null() {
        let told = NOT_OURS.contains(&status.as_u16());
        return (!told).then(|| format!("{method} {pattern} is answered {status}, not described"));
    }
    let described = operation["responses"].get(status.as_str()).is_some();
    let is_hosts = matches!(status.as_u16(), 414 | 431);
    (!described && !is_hosts).then(|| format!("{method} {pattern}: {status} is not described"))
}

/// The path that fits and knows the method, the one with the fewest parameters first, as tiers
/// route; spelled as the host routes it.
fn find<'a>(document: &'a Value, method: &str, path: &str) -> Option<(&'a str, &'a Value)> {
    let method = method.to_ascii_lowercase();
    let paths = document["paths"].as_object()?.iter();
    let fitting = paths.filter(|(pattern, _)| fits(pattern, path));
    fitting
        .min_by_key(|(pattern, it)| (it[&method].is_null(), pattern.matches('{').count()))
        .map(|(pattern, it)| (pattern.as_str(), it))
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let fits = pattern.split('/').all(|segment| match parts.next() {
        Some(part) if segment.starts_with('{') => !part.is_empty(),
        Some(part) => part == segment,
        None => false,
    });
    fits && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(method: &Method, target: &str, status: u16, expected: Option<&str>) {
        let document = json!({ "paths": {
            "/api/things/{id}": { "get": { "responses": { "200": {} } } },
            "/api/things/first": { "post": { "responses": { "201": {} } } },
        } });
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(fault(&document, method, target, status).as_deref(), expected);
    }

    #[test]
    fn what_is_not_described_is_named() {
        check(&Method::GET, "/api/things/7?x=1", 200, None);
        check(&Method::HEAD, "/api/things/7", 200, None);
        let expected = "GET /api/things/{id}: 409 Conflict is not described";
        check(&Method::GET, "/api/things/7", 409, Some(expected));
        let expected = "DELETE /api/things/{id} is answered 200 OK, not described";
        check(&Method::DELETE, "/api/things/7", 200, Some(expected));
    }

    #[test]
    fn words_come_before_parameters() {
        check(&Method::POST, "/api/things/first", 201, None);
        check(&Method::GET, "/api/things/first", 200, None);
        check(&Method::PUT, "/api/things/first", 405, None);
    }

    #[test]
    fn what_is_no_route_is_nobodys() {
        check(&Method::GET, "/api/elsewhere", 200, None);
        check(&Method::DELETE, "/api/things/7", 405, None);
    }
}

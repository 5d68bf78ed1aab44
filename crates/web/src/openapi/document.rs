//! The whole document: the tables of all tiers.

use serde_json::{Map, Value, json};

use super::{Operation, Proof};
use crate::{Routes, Row};

/// A row with what its route says of itself.
pub(crate) struct Described<'a> {
    pub(crate) row: Row<'a>,
    pub(crate) proof: Option<Proof>,
    pub(crate) operation: Option<fn() -> Operation>,
}

/// The document with a tier's routes as they describe themselves, in place of what it said of that
/// tier. Paths come in their order, so that changes stay small.
///
/// # Panics
/// Names the routes that do not describe themselves.
pub(super) fn with_tier(mut document: Value, tier: &str, routes: &Routes) -> Value {
    let mut paths = match document["paths"].take() {
        Value::Object(paths) => paths,
        _ => Map::new(),
    };
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        operations.retain(|_, operation| operation["tags"][0] != tier);
    }
    let mut undescribed = Vec::new();
    for Described { row, proof, operation } in routes.descriptions() {
        let method = row.method.as_str();
        let Some(operation) = operation else {
            undescribed.push(format!("{method} {}", row.pattern));
            continue;
        };
        let mut operation = operation().into_json(&parameters(row.pattern), proof);
        operation["operationId"] = json!(identifier(method, row.pattern));
        operation["tags"] = json!([tier]);
        let path = paths.entry(row.pattern).or_insert_with(|| json!({}));
        path[method.to_ascii_lowercase()] = operation;
    }
    assert!(undescribed.is_empty(), "without `.described(…)`: {undescribed:#?}");
    paths.retain(|_, operations| operations.as_object().is_some_and(|it| !it.is_empty()));
    frame(&Value::Object(paths))
}

/// All of the document but what it says of paths is said here.
fn frame(paths: &Value) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Myrmidon",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The serverless backend of continuous security validation.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": { "Refusal": refusal() }, "securitySchemes": schemes() },
    });
    document.sort_all_objects();
    document
}

fn parameters(pattern: &str) -> Vec<&str> {
    let segments = pattern.split('/');
    segments.filter_map(|it| it.strip_prefix('{').and_then(|it| it.strip_suffix('}'))).collect()
}

/// `GET /api/things/{id}` is `get_things_id`.
fn identifier(method: &str, pattern: &str) -> String {
    let path = pattern.strip_prefix("/api").unwrap_or(pattern);
    let words = path.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    let words: Vec<_> = std::iter::once(method).chain(words).collect();
    words.join("_").to_ascii_lowercase()
}

/// What every refusal looks like (fleet.md §1.6).
fn refusal() -> Value {
    let text = json!({ "type": "string" });
    let issue = json!({
        "type": "object",
        "properties": { "path": text, "message": text },
        "required": ["path", "message"],
    });
    let flaw = json!({
        "type": "object",
        "properties": { "path": { "type": "array", "items": text }, "code": text, "message": text },
        "required": ["path", "code", "message"],
    });
    json!({
        "type": "object",
        "properties": {
            "success": { "const": false },
            "error": text,
            "details": { "type": "array", "items": issue },
            "errors": { "type": "array", "items": flaw },
        },
        "required": ["success", "error"],
    })
}

/// One per kind of proof, but a device's, which has three parts.
fn schemes() -> Value {
    let bearer = |what: &str| json!({ "type": "http", "scheme": "bearer", "description": what });
    let header = |name: &str, what: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": what });
    json!({
        "person": bearer("What signing in or the identity provider gave out."),
        "agentKey": bearer("The agent's key, `ak_…`."),
        "agentId": header("X-Agent-ID", "The agent's id."),
        "requestTimestamp": header("X-Request-Timestamp", "Now, RFC 3339, within 300 seconds."),
        "scheduler": bearer("`cron_secret`."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Request, Response};

    async fn plain(_: Request) -> Answer {
        Ok(Response::success())
    }

    fn describe() -> Operation {
        Operation::new("Do a thing").succeeds()
    }

    #[test]
    fn a_tier_is_described_anew() {
        let before = json!({ "paths": {
            "/api/gone": { "get": { "tags": ["public"] } },
            "/api/theirs": { "get": { "tags": ["agent"] } },
        } });
        let routes = Routes::default().get("/api/things/{id}", plain).described(describe);
        let document = with_tier(before, "public", &routes);
        let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/api/theirs", "/api/things/{id}"]);
        let operation = &document["paths"]["/api/things/{id}"]["get"];
        assert_eq!(operation["operationId"], "get_things_id");
        assert_eq!(operation["responses"]["200"]["description"], "OK");
    }

    #[test]
    #[should_panic(expected = "DELETE /api/things/{id}")]
    fn a_route_without_a_description_is_named() {
        let routes = Routes::default().delete("/api/things/{id}", plain);
        with_tier(Value::Null, "public", &routes);
    }
}

//! What may be answered: statuses, media types and schemas.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Several schemas of one status and media type are alternatives.
#[derive(Debug, Default)]
pub(super) struct Answers {
    bodies: BTreeMap<u16, BTreeMap<&'static str, Vec<Value>>>,
    headers: BTreeMap<u16, BTreeMap<&'static str, &'static str>>,
}

impl Answers {
    pub(super) fn add(&mut self, status: u16, media: &'static str, schema: Value) {
        let schemas = self.bodies.entry(status).or_default().entry(media).or_default();
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }

    pub(super) fn add_refusal(&mut self, status: u16) {
        self.add(status, "application/json", json!({ "$ref": "#/components/schemas/Refusal" }));
    }

    pub(super) fn add_empty(&mut self, status: u16) {
        self.bodies.entry(status).or_default();
    }

    pub(super) fn add_header(&mut self, status: u16, name: &'static str, what: &'static str) {
        self.headers.entry(status).or_default().insert(name, what);
    }

    pub(super) fn into_json(self) -> Value {
        let Self { bodies, mut headers } = self;
        let described = |(status, content)| {
            let mut response = response(status, content);
            for (name, what) in headers.remove(&status).unwrap_or_default() {
                let schema = json!({ "type": "integer" });
                response["headers"][name] = json!({ "description": what, "schema": schema });
            }
            (status.to_string(), response)
        };
        let responses: Map<_, _> = bodies.into_iter().map(described).collect();
        Value::Object(responses)
    }
}

fn response(status: u16, content: BTreeMap<&'static str, Vec<Value>>) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason());
    let mut response = json!({ "description": reason.unwrap_or_default() });
    for (media, mut schemas) in content {
        let only = if schemas.len() == 1 { schemas.pop() } else { None };
        let schema = only.unwrap_or_else(|| json!({ "anyOf": schemas }));
        response["content"][media] = json!({ "schema": schema });
    }
    response
}

/// `{"success":true}` with more fields.
pub(super) fn envelope(more: &[(&str, Value)]) -> Value {
    let mut properties = Map::from_iter([("success".to_owned(), json!({ "const": true }))]);
    properties.extend(more.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())));
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// As the type is serialized, everything in place.
pub(super) fn outline<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = SchemaGenerator::new(settings).subschema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

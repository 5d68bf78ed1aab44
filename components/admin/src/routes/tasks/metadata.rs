//! What a test is about (fleet.md §4.5, TestMetadata): all of it, or nothing.

use serde::Serialize;
use serde_json::Number;
use web::schema::{Length, Object, Text};

/// The default is what "nothing" looks like.
#[derive(Debug, Default, Serialize)]
pub(super) struct Metadata {
    category: String,
    subcategory: String,
    severity: String,
    techniques: Vec<String>,
    tactics: Vec<String>,
    threat_actor: String,
    target: Vec<String>,
    complexity: String,
    tags: Vec<String>,
    score: Option<Number>,
    integrations: Vec<String>,
}

const LIMIT: usize = 16 * 1024;
const TEXT: Text = Text::any(255);
const LIST: Length = Length { empty: None, most: 256 };

/// The JSON of the field `metadata`.
pub(crate) fn read(body: &mut Object<'_>) -> String {
    let metadata = body.optional_object("metadata", schema).unwrap_or_default();
    let text = serde_json::to_string(&metadata).unwrap_or_default();
    if text.len() > LIMIT {
        body.issue("metadata", format!("Too big: expected object to have <={LIMIT} bytes"));
    }
    text
}

fn schema(metadata: &mut Object<'_>) -> Metadata {
    Metadata {
        category: metadata.string("category", TEXT),
        subcategory: metadata.string("subcategory", TEXT),
        severity: metadata.string("severity", TEXT),
        techniques: metadata.strings("techniques", LIST, TEXT),
        tactics: metadata.strings("tactics", LIST, TEXT),
        threat_actor: metadata.string("threat_actor", TEXT),
        target: metadata.strings("target", LIST, TEXT),
        complexity: metadata.string("complexity", TEXT),
        tags: metadata.strings("tags", LIST, Text::any(64)),
        score: metadata.nullable_number("score"),
        integrations: metadata.strings("integrations", LIST, TEXT),
    }
}

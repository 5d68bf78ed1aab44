//! What a schema asks of a body, as JSON Schema: the function that reads is run on an object that
//! notes each question and answers it with a placeholder. So the description cannot differ.
//!
//! Only descriptions are made of it; a component never runs it, and its linker drops it.

use serde_json::{Map, Value, json};

use super::Object;

/// What was asked so far.
#[derive(Debug, Default)]
pub(super) struct Outline {
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// Where null counts as absent: the keys of which it does not.
    nulls_kept: Option<Vec<String>>,
    /// Of these, the empty string counts as absent.
    empty_forgotten: Vec<String>,
}

/// The JSON Schema of what a schema reads.
pub fn outline<T>(schema: impl FnOnce(&mut Object<'_>) -> T) -> Value {
    outlined(schema).0
}

/// With what the schema made of placeholders.
pub(super) fn outlined<T>(schema: impl FnOnce(&mut Object<'_>) -> T) -> (Value, T) {
    let mut issues = Vec::new();
    let mut object = Object::new(Map::new(), String::new(), &mut issues);
    object.outline = Some(Outline::default());
    let made = schema(&mut object);
    (object.outline.take().unwrap_or_default().into_schema(), made)
}

impl Outline {
    /// Null counts as absent from here on, but for the named keys.
    pub(super) fn forget_nulls_except(&mut self, kept: &[&str]) {
        self.nulls_kept = Some(kept.iter().map(|it| (*it).to_owned()).collect());
    }

    pub(super) fn forget_empty(&mut self, keys: &[&str]) {
        self.empty_forgotten.extend(keys.iter().map(|it| (*it).to_owned()));
    }

    pub(super) fn note(&mut self, key: &str, required: bool, mut schema: Value) {
        if required {
            self.required.push(key.into());
        } else {
            if self.empty_forgotten.iter().any(|it| it == key) {
                allow(&mut schema, "string", json!(""));
            }
            if self.nulls_kept.as_ref().is_some_and(|kept| !kept.iter().any(|it| it == key)) {
                nullable(&mut schema);
            }
        }
        self.properties.insert(key.to_owned(), schema);
    }

    /// In place of what was noted of the key.
    pub(super) fn note_nullable(&mut self, key: &str, mut schema: Value) {
        nullable(&mut schema);
        self.properties.insert(key.to_owned(), schema);
    }

    fn into_schema(self) -> Value {
        json!({ "type": "object", "properties": self.properties, "required": self.required })
    }
}

/// Makes null one of the values.
fn nullable(schema: &mut Value) {
    allow(schema, "null", Value::Null);
}

fn allow(schema: &mut Value, kind: &str, value: Value) {
    let kinds = match schema["type"].take() {
        Value::String(only) if only == kind => json!(only),
        Value::String(only) => json!([only, kind]),
        other => other,
    };
    schema["type"] = kinds;
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::Os,
        schema::{Length, Text, Whole},
    };

    #[test]
    fn what_is_read_is_what_is_described() {
        let described = outline(|body| {
            body.forget_nulls_except(&["task"]);
            body.forget_empty(&["os"]);
            let name = body.string("name", Text::filled(9));
            let task = body.nullable_string("task", Text::free());
            let os = body.optional_choice::<Os>("os");
            let inner = body.optional_object("inner", |it| it.integer("n", Whole::positive(7)));
            let tags = body.strings("tags", Length { empty: Some("none"), most: 2 }, Text::any(3));
            let list = body.objects("list", 5, |it| it.number("x"));
            (name, task, os, inner, tags, list, body.string_map("more"))
        });
        let text = r"^[^\u0000]*$";
        assert_eq!(
            described,
            json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "minLength": 1, "maxLength": 9, "pattern": text },
                    "task": { "type": ["string", "null"] },
                    "os": { "type": ["string", "null"], "enum": ["windows", "linux", "darwin", "", null] },
                    "inner": {
                        "type": ["object", "null"],
                        "properties": { "n": { "type": "integer", "exclusiveMinimum": 0, "maximum": 7 } },
                        "required": ["n"],
                    },
                    "tags": {
                        "type": "array", "minItems": 1, "maxItems": 2,
                        "items": { "type": "string", "maxLength": 3, "pattern": text },
                    },
                    "list": {
                        "type": ["array", "null"], "maxItems": 5,
                        "items": {
                            "type": "object", "properties": { "x": { "type": "number" } }, "required": ["x"],
                        },
                    },
                    "more": { "type": ["object", "null"], "additionalProperties": { "type": "string", "pattern": text } },
                },
                "required": ["name", "task", "tags"],
            })
        );
    }
}

//! The fields of one JSON object, taken one by one.

use serde_json::{Map, Number, Value, json};

use super::{
    Length, Text, Whole, expected, issue,
    outline::{self, Outline},
};
use crate::{Issue, contract::choices::Choice};

pub struct Object<'a> {
    fields: Map<String, Value>,
    /// Where this object lies, with a `.` at the end; empty at the root.
    prefix: String,
    issues: &'a mut Vec<Issue>,
    /// Present where the schema is not to read but to be described.
    pub(super) outline: Option<Outline>,
}

impl<'a> Object<'a> {
    pub(super) fn new(
        fields: Map<String, Value>,
        prefix: String,
        issues: &'a mut Vec<Issue>,
    ) -> Self {
        Self { fields, prefix, issues, outline: None }
    }

    /// Treats null like an absent field, but for the named ones: some clients write null for both.
    pub fn forget_nulls_except(&mut self, kept: &[&str]) {
        self.fields.retain(|key, value| !value.is_null() || kept.contains(&key.as_str()));
        if let Some(outline) = &mut self.outline {
            outline.forget_nulls_except(kept);
        }
    }

    /// Treats the empty string like an absent field.
    pub fn forget_empty(&mut self, keys: &[&str]) {
        self.fields.retain(|key, value| !keys.contains(&key.as_str()) || value != "");
        if let Some(outline) = &mut self.outline {
            outline.forget_empty(keys);
        }
    }

    /// Records an issue that only the schema can see.
    pub fn issue(&mut self, key: &str, message: impl Into<std::borrow::Cow<'static, str>>) {
        let path = self.path(key);
        self.issues.push(issue(path, message));
    }

    pub fn string(&mut self, key: &str, text: Text) -> String {
        self.note(key, true, || text.outline());
        match self.fields.remove(key) {
            Some(Value::String(value)) => self.checked(key, value, text),
            other => self.wrong(key, "string", other.as_ref()),
        }
    }

    pub fn optional_string(&mut self, key: &str, text: Text) -> Option<String> {
        self.note(key, false, || text.outline());
        self.has(key).then(|| self.string(key, text))
    }

    /// A text that the domain judges: what is none, or could not be stored, is none and no issue.
    pub fn unjudged_string(&mut self, key: &str) -> Option<String> {
        self.note(key, true, || Text::free().outline());
        match self.fields.remove(key) {
            Some(Value::String(value)) if !value.contains('\0') => Some(value),
            _ => None,
        }
    }

    /// Null is a value here, but the field must be there.
    pub fn nullable_string(&mut self, key: &str, text: Text) -> Option<String> {
        let given = match self.fields.get(key) {
            Some(Value::Null) => None,
            _ => Some(self.string(key, text)),
        };
        self.note_nullable(key, || text.outline());
        given
    }

    pub fn choice<C: Choice>(&mut self, key: &str) -> C {
        self.note(key, true, C::outline);
        let given = self.fields.remove(key);
        let found = given.as_ref().and_then(Value::as_str).and_then(C::from_word);
        found.unwrap_or_else(|| {
            let words: Vec<_> = C::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.issue(key, format!("Invalid option: expected one of {}", words.join("|")));
            C::WORDS[0].1
        })
    }

    pub fn optional_choice<C: Choice>(&mut self, key: &str) -> Option<C> {
        self.note(key, false, C::outline);
        self.has(key).then(|| self.choice(key))
    }

    pub fn integer(&mut self, key: &str, whole: Whole) -> i64 {
        self.note(key, true, || whole.outline());
        match self.fields.remove(key) {
            Some(Value::Number(number)) => whole.check(&number).unwrap_or_else(|message| {
                self.issue(key, message);
                0
            }),
            other => self.wrong(key, "number", other.as_ref()),
        }
    }

    /// [`Object::integer`] of a range that fits.
    pub fn count(&mut self, key: &str, whole: Whole) -> u32 {
        u32::try_from(self.integer(key, whole)).unwrap_or_default()
    }

    pub fn optional_integer(&mut self, key: &str, whole: Whole) -> Option<i64> {
        self.note(key, false, || whole.outline());
        self.has(key).then(|| self.integer(key, whole))
    }

    /// [`Object::optional_integer`] of a range that fits.
    pub fn optional_count(&mut self, key: &str, whole: Whole) -> Option<u32> {
        self.optional_integer(key, whole).map(|it| u32::try_from(it).unwrap_or_default())
    }

    /// Any number, as it was written.
    pub fn number(&mut self, key: &str) -> Number {
        self.note(key, true, || json!({ "type": "number" }));
        match self.fields.remove(key) {
            Some(Value::Number(number)) => number,
            other => {
                self.wrong::<()>(key, "number", other.as_ref());
                0.into()
            }
        }
    }

    pub fn optional_number(&mut self, key: &str) -> Option<Number> {
        self.note(key, false, || json!({ "type": "number" }));
        self.has(key).then(|| self.number(key))
    }

    /// Null is a value here, but the field must be there.
    pub fn nullable_number(&mut self, key: &str) -> Option<Number> {
        let given = match self.fields.get(key) {
            Some(Value::Null) => None,
            _ => Some(self.number(key)),
        };
        self.note_nullable(key, || json!({ "type": "number" }));
        given
    }

    pub fn boolean(&mut self, key: &str) -> bool {
        match self.fields.remove(key) {
            Some(Value::Bool(value)) => value,
            other => self.wrong(key, "boolean", other.as_ref()),
        }
    }

    pub fn optional_boolean(&mut self, key: &str) -> Option<bool> {
        self.note(key, false, || json!({ "type": "boolean" }));
        match self.fields.remove(key) {
            None => None,
            Some(Value::Bool(value)) => Some(value),
            other => self.wrong(key, "boolean", other.as_ref()),
        }
    }

    pub fn strings(&mut self, key: &str, length: Length, text: Text) -> Vec<String> {
        self.note(key, true, || length.outline(&text.outline()));
        let Some(items) = self.items(key, length) else { return Vec::new() };
        let items = items.into_iter().enumerate().map(|(index, item)| match item {
            Value::String(value) => {
                text.check(value, || format!("{}{key}.{index}", self.prefix), self.issues)
            }
            other => self.wrong(&format!("{key}.{index}"), "string", Some(&other)),
        });
        items.collect()
    }

    pub fn optional_strings(
        &mut self,
        key: &str,
        length: Length,
        text: Text,
    ) -> Option<Vec<String>> {
        self.note(key, false, || length.outline(&text.outline()));
        self.has(key).then(|| self.strings(key, length, text))
    }

    /// A nested object; none only where there was an issue.
    pub fn object<T>(&mut self, key: &str, schema: impl FnOnce(&mut Object<'_>) -> T) -> Option<T> {
        if self.is_outlined() {
            let (described, made) = outline::outlined(schema);
            self.note(key, true, || described);
            return Some(made);
        }
        match self.fields.remove(key) {
            Some(Value::Object(fields)) => {
                let prefix = format!("{}{key}.", self.prefix);
                Some(schema(&mut Object::new(fields, prefix, self.issues)))
            }
            other => self.wrong(key, "object", other.as_ref()),
        }
    }

    pub fn optional_object<T>(
        &mut self,
        key: &str,
        schema: impl FnOnce(&mut Object<'_>) -> T,
    ) -> Option<T> {
        if self.is_outlined() {
            let (described, made) = outline::outlined(schema);
            self.note(key, false, || described);
            return Some(made);
        }
        if self.has(key) { self.object(key, schema) } else { None }
    }

    /// A list of objects; an absent one is empty.
    pub fn objects<T>(
        &mut self,
        key: &str,
        most: usize,
        mut schema: impl FnMut(&mut Object<'_>) -> T,
    ) -> Vec<T> {
        let length = Length { empty: None, most };
        if self.is_outlined() {
            let (described, made) = outline::outlined(schema);
            self.note(key, false, || length.outline(&described));
            return vec![made];
        }
        if !self.has(key) {
            return Vec::new();
        }
        let Some(items) = self.items(key, length) else { return Vec::new() };
        let items = items.into_iter().enumerate().filter_map(|(index, item)| match item {
            Value::Object(fields) => {
                let prefix = format!("{}{key}.{index}.", self.prefix);
                Some(schema(&mut Object::new(fields, prefix, self.issues)))
            }
            other => self.wrong(&format!("{key}.{index}"), "object", Some(&other)),
        });
        items.collect()
    }

    /// Whole numbers, each within bounds.
    pub fn integers(&mut self, key: &str, length: Length, whole: Whole) -> Vec<i64> {
        self.note(key, true, || length.outline(&whole.outline()));
        let Some(items) = self.items(key, length) else { return Vec::new() };
        let items = items.into_iter().enumerate().map(|(index, item)| {
            let path = format!("{key}.{index}");
            match item {
                Value::Number(number) => whole.check(&number).unwrap_or_else(|message| {
                    self.issue(&path, message);
                    0
                }),
                other => self.wrong(&path, "number", Some(&other)),
            }
        });
        items.collect()
    }

    pub fn optional_integers(
        &mut self,
        key: &str,
        length: Length,
        whole: Whole,
    ) -> Option<Vec<i64>> {
        self.note(key, false, || length.outline(&whole.outline()));
        self.has(key).then(|| self.integers(key, length, whole))
    }

    /// Makes fields that nobody took an issue of this object.
    pub fn refuse_others(&mut self) {
        if !self.fields.is_empty() {
            let path = self.prefix.trim_end_matches('.').to_owned();
            self.issues.push(issue(path, "Invalid input"));
        }
    }

    /// An object whose values are strings; an absent one is empty.
    pub fn string_map(&mut self, key: &str) -> Map<String, Value> {
        self.note(key, false, || {
            let value = Text::any(usize::MAX).outline();
            json!({ "type": "object", "additionalProperties": value })
        });
        match self.fields.remove(key) {
            None => Map::new(),
            Some(Value::Object(fields)) => {
                for (name, value) in &fields {
                    let path = format!("{key}.{name}");
                    match value {
                        Value::String(text) if !text.contains('\0') && !name.contains('\0') => {}
                        Value::String(_) => {
                            self.issue(&path, "Invalid input: expected string without NUL");
                        }
                        other => self.wrong(&path, "string", Some(other)),
                    }
                }
                fields
            }
            other => self.wrong(key, "record", other.as_ref()),
        }
    }

    /// Whether a description is made instead of values.
    /// Never so in a component, where what follows from it is left out.
    pub fn is_outlined(&self) -> bool {
        !cfg!(target_arch = "wasm32") && self.outline.is_some()
    }

    fn note(&mut self, key: &str, required: bool, schema: impl FnOnce() -> Value) {
        if !self.is_outlined() {
            return;
        }
        if let Some(outline) = &mut self.outline {
            outline.note(key, required, schema());
        }
    }

    /// In place of what was noted of the key.
    fn note_nullable(&mut self, key: &str, schema: impl FnOnce() -> Value) {
        if !self.is_outlined() {
            return;
        }
        if let Some(outline) = &mut self.outline {
            outline.note_nullable(key, schema());
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn checked(&mut self, key: &str, value: String, text: Text) -> String {
        text.check(value, || format!("{}{key}", self.prefix), self.issues)
    }

    fn items(&mut self, key: &str, length: Length) -> Option<Vec<Value>> {
        match self.fields.remove(key) {
            Some(Value::Array(items)) => match length.issue(items.len()) {
                Some(message) => {
                    self.issue(key, message);
                    None
                }
                None => Some(items),
            },
            other => self.wrong(key, "array", other.as_ref()),
        }
    }

    fn wrong<T: Default>(&mut self, key: &str, kind: &str, received: Option<&Value>) -> T {
        self.issue(key, expected(kind, received));
        T::default()
    }
}

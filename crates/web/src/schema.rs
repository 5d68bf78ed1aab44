//! Reading a JSON body: every value is checked, every issue is collected, unknown keys are dropped.
//!
//! A schema is a function that takes its fields from an [`Object`] in their documented order, which
//! is also the order of the issues. What it returns is discarded unless there was no issue, so a
//! reader that found one returns a placeholder and goes on. Messages are those of fleet.md §1.6.

mod object;
mod outline;
mod text;
mod whole;

use serde_json::{Value, json};

pub use object::Object;
pub use outline::outline;
pub use text::Text;
pub use whole::Whole;

use crate::{Issue, Problem};

/// Nobody reads more of them, and an answer must not outgrow its request.
const MOST_ISSUES: usize = 1000;

/// Applies a schema to a body.
pub fn read<T>(body: Value, schema: impl FnOnce(&mut Object<'_>) -> T) -> Result<T, Problem> {
    let Value::Object(fields) = body else {
        return Err(Problem::invalid("", expected("object", Some(&body))));
    };
    let mut issues = Vec::new();
    let checked = schema(&mut Object::new(fields, String::new(), &mut issues));
    issues.truncate(MOST_ISSUES);
    if issues.is_empty() { Ok(checked) } else { Err(Problem::Invalid(issues)) }
}

fn expected(kind: &str, received: Option<&Value>) -> String {
    let received = match received {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    };
    format!("Invalid input: expected {kind}, received {received}")
}

/// How long a list may be.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// What to say of an empty list; none where it is fine.
    pub empty: Option<&'static str>,
    pub most: usize,
}

impl Length {
    fn outline(self, items: &Value) -> Value {
        let mut schema = json!({ "type": "array", "items": items });
        if self.empty.is_some() {
            schema["minItems"] = json!(1);
        }
        if self.most != usize::MAX {
            schema["maxItems"] = json!(self.most);
        }
        schema
    }

    fn issue(self, length: usize) -> Option<String> {
        match self.empty {
            Some(message) if length == 0 => Some(message.to_owned()),
            _ if length > self.most => {
                Some(format!("Too big: expected array to have <={} items", self.most))
            }
            _ => None,
        }
    }
}

/// Used by readers that collect issues themselves.
fn issue(path: String, message: impl Into<std::borrow::Cow<'static, str>>) -> Issue {
    Issue { path, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Arch, Os};

    #[track_caller]
    fn check<T>(body: Value, schema: impl FnOnce(&mut Object<'_>) -> T, expected: &[(&str, &str)]) {
        let issues = match read(body, schema) {
            Ok(_) => Vec::new(),
            Err(Problem::Invalid(issues)) => issues,
            Err(other) => panic!("{other:?}"),
        };
        let shown: Vec<_> =
            issues.iter().map(|it| (it.path.as_str(), it.message.as_ref())).collect();
        assert_eq!(shown, expected);
    }

    fn enroll(body: &mut Object<'_>) {
        body.string("token", Text::required(256, "token is required"));
        body.choice::<Os>("os");
        body.choice::<Arch>("arch");
    }

    #[test]
    fn issues_come_in_the_order_of_the_schema() {
        check(
            json!({"arch": "x86", "token": 7}),
            enroll,
            &[
                ("token", "Invalid input: expected string, received number"),
                ("os", r#"Invalid option: expected one of "windows"|"linux"|"darwin""#),
                ("arch", r#"Invalid option: expected one of "amd64"|"arm64""#),
            ],
        );
        check(json!({"token": "t", "os": "linux", "arch": "arm64", "more": 1}), enroll, &[]);
    }

    #[test]
    fn a_body_is_an_object() {
        check(json!([]), enroll, &[("", "Invalid input: expected object, received array")]);
    }

    #[test]
    fn texts_have_bounds() {
        let name = |most| move |body: &mut Object<'_>| body.string("name", Text::filled(most));
        check(
            json!({}),
            name(3),
            &[("name", "Invalid input: expected string, received undefined")],
        );
        check(
            json!({"name": ""}),
            name(3),
            &[("name", "Too small: expected string to have >=1 characters")],
        );
        check(json!({"name": "äöü"}), name(3), &[]);
        check(
            json!({"name": "äöü😀"}),
            name(4),
            &[("name", "Too big: expected string to have <=4 characters")],
        );
        check(
            json!({"name": "a\0"}),
            name(3),
            &[("name", "Invalid input: expected string without NUL")],
        );
        let repaired =
            read(json!({"name": "a\0"}), |body| body.string("name", Text::free())).unwrap();
        assert_eq!(repaired, "a\u{fffd}");
    }

    #[test]
    fn numbers_have_bounds() {
        let hours = |body: &mut Object<'_>| body.optional_integer("hours", Whole::between(1, 720));
        check(json!({}), hours, &[]);
        check(json!({"hours": 24.0}), hours, &[]);
        check(
            json!({"hours": 1.5}),
            hours,
            &[("hours", "Invalid input: expected int, received number")],
        );
        check(json!({"hours": 0}), hours, &[("hours", "Too small: expected number to be >=1")]);
        check(json!({"hours": 721}), hours, &[("hours", "Too big: expected number to be <=720")]);
        check(
            json!({"hours": null}),
            hours,
            &[("hours", "Invalid input: expected number, received null")],
        );
        check(
            json!({"hours": 1e300}),
            hours,
            &[("hours", "Too big: expected int to be <=9007199254740991")],
        );
        let timeout =
            |body: &mut Object<'_>| body.optional_integer("timeout", Whole::positive(100));
        check(
            json!({"timeout": 0}),
            timeout,
            &[("timeout", "Too small: expected number to be >0")],
        );
    }

    #[test]
    fn lists_and_objects_name_the_place_inside() {
        let ids = |body: &mut Object<'_>| {
            body.strings(
                "ids",
                Length { empty: Some("At least one id is required"), most: 2 },
                Text::any(3),
            )
        };
        check(json!({"ids": []}), ids, &[("ids", "At least one id is required")]);
        check(
            json!({"ids": ["a", 1]}),
            ids,
            &[("ids.1", "Invalid input: expected string, received number")],
        );
        check(
            json!({"ids": ["a", "b", "c"]}),
            ids,
            &[("ids", "Too big: expected array to have <=2 items")],
        );
        let nested = |body: &mut Object<'_>| {
            body.object("bundle", |it| {
                it.objects("controls", 5, |it| it.optional_boolean("skipped"))
            })
        };
        check(
            json!({}),
            nested,
            &[("bundle", "Invalid input: expected object, received undefined")],
        );
        check(
            json!({"bundle": {"controls": [{}, {"skipped": "no"}]}}),
            nested,
            &[("bundle.controls.1.skipped", "Invalid input: expected boolean, received string")],
        );
        let metadata = |body: &mut Object<'_>| body.string_map("metadata");
        check(
            json!({"metadata": {"env": 1, "site": "lab"}}),
            metadata,
            &[("metadata.env", "Invalid input: expected string, received number")],
        );
        check(
            json!({"metadata": []}),
            metadata,
            &[("metadata", "Invalid input: expected record, received array")],
        );
    }

    #[test]
    fn a_nullable_field_must_be_there() {
        let task = |body: &mut Object<'_>| body.nullable_string("current_task", Text::any(9));
        check(json!({"current_task": null}), task, &[]);
        check(
            json!({}),
            task,
            &[("current_task", "Invalid input: expected string, received undefined")],
        );
    }
}

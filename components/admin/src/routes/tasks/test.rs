//! `POST /api/agent/admin/tasks`: run a test on agents.

use web::{
    Answer, Request,
    body::Rules,
    contract::Json,
    openapi::Operation,
    schema::{self, Length, Object, Text, Whole},
};

use super::{created, metadata};
use crate::{
    bindings::myrmidon::domain::tasks::{self, NewTest},
    caller::Caller,
    faults,
    permission::CreateTasks,
};

pub(crate) fn describe() -> Operation {
    Operation::new("Run a test on agents")
        .body(Rules::STRICT, read)
        .query_word::<created::DryRun>("dry_run")
        .answers::<created::Created>(201)
        .answers::<created::Rehearsed>(200)
        .refuses(&[404])
}

pub(crate) async fn create(caller: Caller<CreateTasks>, mut request: Request) -> Answer {
    let (org_id, test) = schema::read(request.body(Rules::STRICT).await?, read)?;
    let dry_run = created::is_dry_run(&request)?;
    caller.require_org(&org_id)?;
    let ids = tasks::create_tests(caller.actor(), test, dry_run)
        .await
        .map_err(|it| faults::creation(it, "tasks"))?;
    created::answer(ids)
}

struct Names {
    test_uuid: String,
    test_name: String,
    binary_name: String,
}

/// As the command-line client says it: names that it leaves empty are those of catalog and build.
fn nested(payload: &mut Object<'_>) -> Names {
    Names {
        test_uuid: payload.string("test_uuid", Text::filled(255)),
        test_name: payload.optional_string("test_name", Text::any(255)).unwrap_or_default(),
        binary_name: payload.optional_string("binary_name", Text::any(255)).unwrap_or_default(),
    }
}

/// Beside a payload, the fields of the same names do not count.
fn names(body: &mut Object<'_>, nested: Option<Names>) -> Names {
    let mut field = |key| {
        if nested.is_some() {
            body.optional_string(key, Text::any(255)).unwrap_or_default()
        } else {
            body.string(key, Text::filled(255))
        }
    };
    let names = Names {
        test_uuid: field("test_uuid"),
        test_name: field("test_name"),
        binary_name: field("binary_name"),
    };
    nested.unwrap_or(names)
}

fn read(body: &mut Object<'_>) -> (String, NewTest) {
    let target = created::target(body);
    let nested = body.optional_object("payload", nested);
    let names = names(body, nested);
    let test = NewTest {
        agent_ids: target.agent_ids,
        test_uuid: names.test_uuid,
        test_name: names.test_name,
        binary_name: names.binary_name,
        execution_timeout: created::execution_timeout(body),
        arguments: body
            .optional_strings("arguments", Length { empty: None, most: 256 }, Text::any(4096))
            .unwrap_or_default(),
        priority: created::priority(body),
        metadata: Json { text: metadata::read(body) },
        target_index: body.optional_string("target_index", Text::any(255)),
        max_retries: body.optional_count("max_retries", Whole::between(0, 5)).unwrap_or(2),
    };
    (target.org_id, test)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use web::Problem;

    use super::*;

    fn body(more: &Value) -> Value {
        let mut body = json!({"org_id": "o", "agent_ids": ["a"], "test_uuid": "u", "test_name": "n", "binary_name": "b"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let (_, test) = schema::read(body(&json!({})), read).unwrap();
        assert_eq!(
            (test.execution_timeout, test.priority, test.max_retries, test.arguments.len()),
            (300, 1, 2, 0)
        );
        let expected = concat!(
            r#"{"category":"","subcategory":"","severity":"","techniques":[],"tactics":[],"threat_actor":"","#,
            r#""target":[],"complexity":"","tags":[],"score":null,"integrations":[]}"#,
        );
        assert_eq!(test.metadata.text, expected);
    }

    #[track_caller]
    fn refuses(more: &Value, expected: &[(&str, &str)]) {
        let Err(Problem::Invalid(issues)) = schema::read(body(more), read) else {
            panic!("accepted")
        };
        let shown: Vec<_> =
            issues.iter().map(|it| (it.path.as_str(), it.message.as_ref())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn bounds_hold() {
        refuses(
            &json!({"execution_timeout": 0, "priority": 11}),
            &[
                ("execution_timeout", "Too small: expected number to be >0"),
                ("priority", "Too big: expected number to be <=10"),
            ],
        );
        refuses(&json!({"agent_ids": []}), &[("agent_ids", "At least one agent_id is required")]);
        refuses(
            &json!({"agent_ids": vec!["a"; 1001]}),
            &[("agent_ids", "Too big: expected array to have <=1000 items")],
        );
        refuses(
            &json!({"test_name": "x".repeat(256)}),
            &[("test_name", "Too big: expected string to have <=255 characters")],
        );
    }

    #[test]
    fn metadata_is_whole_or_absent() {
        let (_, whole) = schema::read(
            body(&json!({"metadata": {
                "category": "c", "subcategory": "s", "severity": "high", "techniques": ["T1003.001"], "tactics": [],
                "threat_actor": "", "target": [], "complexity": "low", "tags": [], "score": 7.5, "integrations": []
            }})),
            read,
        )
        .unwrap();
        assert!(whole.metadata.text.contains(r#""score":7.5"#));
        let Err(Problem::Invalid(issues)) = schema::read(body(&json!({"metadata": {}})), read)
        else {
            panic!("accepted")
        };
        assert_eq!(issues.len(), 11);
    }
}

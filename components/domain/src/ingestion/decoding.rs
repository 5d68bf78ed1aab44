//! What a task and its result say, out of their JSON. A value of the wrong type is as good as none:
//! a result is worth more than the form of one of its fields.

use domain::results::documents::{Assignment, Bundle, Control, Metadata, Report};
use serde::Deserialize;
use serde_json::Value;
use store::results::Unstored;

/// The rest of the payload, and of the result its output, is not even built.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    test_uuid: Value,
    #[serde(default)]
    test_name: Value,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct TaskResult {
    #[serde(default)]
    exit_code: Value,
    #[serde(default)]
    hostname: Value,
    #[serde(default)]
    completed_at: Value,
    #[serde(default)]
    bundle_results: Value,
}

/// Fails only where the payload is no object.
pub(super) fn assignment(task: &Unstored) -> Result<Assignment, serde_json::Error> {
    let payload: Payload = serde_json::from_str(&task.payload)?;
    let metadata = &payload.metadata;
    Ok(Assignment {
        task: task.task.0.clone(),
        test_uuid: text(&payload.test_uuid),
        test_name: text(&payload.test_name),
        metadata: Metadata {
            category: text(&metadata["category"]),
            subcategory: text(&metadata["subcategory"]),
            severity: text(&metadata["severity"]),
            techniques: texts(&metadata["techniques"]),
            tactics: texts(&metadata["tactics"]),
            threat_actor: text(&metadata["threat_actor"]),
            target: texts(&metadata["target"]),
            complexity: text(&metadata["complexity"]),
            tags: texts(&metadata["tags"]),
            score: metadata["score"].as_f64(),
            integrations: texts(&metadata["integrations"]),
        },
        target_index: task.target_index.clone(),
        assigned_at: task.assigned_at,
        received_at: task.received_at,
    })
}

/// Fails only where the result is no object.
pub(super) fn report(result: &str) -> Result<Report, serde_json::Error> {
    let result: TaskResult = serde_json::from_str(result)?;
    let bundle = &result.bundle_results;
    Ok(Report {
        exit_code: integer(&result.exit_code),
        hostname: text(&result.hostname),
        completed_at: text(&result.completed_at),
        bundle: bundle.is_object().then(|| Bundle {
            id: text(&bundle["bundle_id"]),
            name: text(&bundle["bundle_name"]),
            subcategory: text(&bundle["bundle_subcategory"]),
            controls: bundle["controls"].as_array().into_iter().flatten().map(control).collect(),
        }),
    })
}

fn control(control: &Value) -> Control {
    Control {
        id: text(&control["control_id"]),
        name: text(&control["control_name"]),
        validator: text(&control["validator"]),
        exit_code: integer(&control["exit_code"]),
        skipped: control["skipped"].as_bool().unwrap_or_default(),
        severity: text(&control["severity"]),
        category: text(&control["category"]),
        subcategory: text(&control["subcategory"]),
        techniques: texts(&control["techniques"]),
        tactics: texts(&control["tactics"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// What is no integer is -1: like a test that never said how it ended.
fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    fn unstored(payload: &str) -> Unstored {
        Unstored {
            task: "t1".into(),
            org: "org".into(),
            agent: "a1".into(),
            payload: payload.to_owned(),
            result: "null".to_owned(),
            target_index: None,
            assigned_at: Timestamp(0),
            received_at: Timestamp(0),
        }
    }

    #[test]
    fn values_of_the_wrong_type_are_as_good_as_none() {
        let read = report(
            r#"{"exit_code":"0","hostname":7,"completed_at":null,"bundle_results":{"bundle_id":[],
                "controls":[{"control_id":"c","exit_code":1e300,"skipped":"yes","techniques":["T1",2,null]},7]}}"#,
        );
        let bundle = Bundle {
            controls: vec![
                Control {
                    id: "c".to_owned(),
                    exit_code: -1,
                    techniques: vec!["T1".to_owned()],
                    ..Control::default()
                },
                Control { exit_code: -1, ..Control::default() },
            ],
            ..Bundle::default()
        };
        let expected = Report { exit_code: -1, bundle: Some(bundle), ..Report::default() };
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn a_task_without_metadata_has_empty_ones() {
        let read = assignment(&unstored(r#"{"test_uuid":"u"}"#)).unwrap();
        assert_eq!((read.test_uuid.as_str(), read.metadata), ("u", Metadata::default()));
        let odd = r#"{"test_uuid":"u","metadata":{"score":"high","tags":"a","category":null}}"#;
        assert_eq!(assignment(&unstored(odd)).unwrap().metadata, Metadata::default());
    }

    #[test]
    fn what_is_no_object_is_not_read() {
        for json in ["null", "[]", "7", "{", ""] {
            assert!(report(json).is_err() || json == "[]", "{json}");
        }
        assert!(assignment(&unstored("null")).is_err());
    }
}

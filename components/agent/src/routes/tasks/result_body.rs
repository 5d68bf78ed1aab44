//! A result's body (fleet.md §4.6), read leniently: a result that is refused is lost for ever.
//!
//! Absent, null and empty are the same for texts and lists (D-26, D-27). Only the exit code must
//! be there, and no value may be of a wrong type.

use serde::Serialize;
use serde_json::Number;
use web::{
    contract::{Arch, Os},
    schema::{Length, Object, Text, Whole},
};

#[derive(Serialize)]
pub(super) struct Body {
    task_id: String,
    test_uuid: String,
    pub(super) exit_code: i64,
    stdout: String,
    stderr: String,
    started_at: String,
    completed_at: String,
    execution_duration_ms: Number,
    binary_sha256: String,
    hostname: String,
    os: Word<Os>,
    arch: Word<Arch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_results: Option<BundleResults>,
}

/// A word of a closed set, or the empty one.
#[derive(Serialize)]
#[serde(untagged)]
enum Word<C> {
    Given(C),
    Empty(&'static str),
}

impl<C> From<Option<C>> for Word<C> {
    fn from(given: Option<C>) -> Self {
        given.map_or(Self::Empty(""), Self::Given)
    }
}

#[derive(Serialize)]
struct BundleResults {
    schema_version: String,
    bundle_id: String,
    bundle_name: String,
    bundle_category: String,
    bundle_subcategory: String,
    execution_id: String,
    started_at: String,
    completed_at: String,
    overall_exit_code: i64,
    total_controls: i64,
    passed_controls: i64,
    failed_controls: i64,
    controls: Vec<ControlResult>,
}

#[derive(Serialize)]
struct ControlResult {
    control_id: String,
    control_name: String,
    validator: String,
    exit_code: i64,
    compliant: bool,
    severity: String,
    category: String,
    subcategory: String,
    techniques: Vec<String>,
    tactics: Vec<String>,
    expected: String,
    actual: String,
    details: String,
    skipped: bool,
    error_message: String,
}

/// A bundle has hundreds. Each takes 300 bytes in the database, even where nothing was sent of it.
const MOST_CONTROLS: usize = 10_000;

pub(super) fn schema(body: &mut Object<'_>) -> Body {
    body.forget_nulls_except(&["exit_code"]);
    body.forget_empty(&["os", "arch"]);
    Body {
        task_id: text(body, "task_id"),
        test_uuid: text(body, "test_uuid"),
        exit_code: body.integer("exit_code", Whole::any()),
        stdout: text(body, "stdout"),
        stderr: text(body, "stderr"),
        started_at: text(body, "started_at"),
        completed_at: text(body, "completed_at"),
        execution_duration_ms: body
            .optional_number("execution_duration_ms")
            .unwrap_or_else(|| 0.into()),
        binary_sha256: text(body, "binary_sha256"),
        hostname: text(body, "hostname"),
        os: body.optional_choice("os").into(),
        arch: body.optional_choice("arch").into(),
        error: body.optional_string("error", Text::free()),
        bundle_results: body.optional_object("bundle_results", bundle),
    }
}

fn bundle(bundle: &mut Object<'_>) -> BundleResults {
    bundle.forget_nulls_except(&[]);
    BundleResults {
        schema_version: text(bundle, "schema_version"),
        bundle_id: text(bundle, "bundle_id"),
        bundle_name: text(bundle, "bundle_name"),
        bundle_category: text(bundle, "bundle_category"),
        bundle_subcategory: text(bundle, "bundle_subcategory"),
        execution_id: text(bundle, "execution_id"),
        started_at: text(bundle, "started_at"),
        completed_at: text(bundle, "completed_at"),
        overall_exit_code: integer(bundle, "overall_exit_code"),
        total_controls: integer(bundle, "total_controls"),
        passed_controls: integer(bundle, "passed_controls"),
        failed_controls: integer(bundle, "failed_controls"),
        controls: bundle.objects("controls", MOST_CONTROLS, control),
    }
}

fn control(control: &mut Object<'_>) -> ControlResult {
    control.forget_nulls_except(&[]);
    ControlResult {
        control_id: text(control, "control_id"),
        control_name: text(control, "control_name"),
        validator: text(control, "validator"),
        exit_code: integer(control, "exit_code"),
        compliant: control.optional_boolean("compliant").unwrap_or_default(),
        severity: text(control, "severity"),
        category: text(control, "category"),
        subcategory: text(control, "subcategory"),
        techniques: texts(control, "techniques"),
        tactics: texts(control, "tactics"),
        expected: text(control, "expected"),
        actual: text(control, "actual"),
        details: text(control, "details"),
        skipped: control.optional_boolean("skipped").unwrap_or_default(),
        error_message: text(control, "error_message"),
    }
}

fn text(object: &mut Object<'_>, key: &str) -> String {
    object.optional_string(key, Text::free()).unwrap_or_default()
}

fn texts(object: &mut Object<'_>, key: &str) -> Vec<String> {
    let length = Length { empty: None, most: usize::MAX };
    object.optional_strings(key, length, Text::free()).unwrap_or_default()
}

fn integer(object: &mut Object<'_>, key: &str) -> i64 {
    object.optional_integer(key, Whole::any()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use web::{Problem, schema::read};

    use super::*;

    fn stored(body: Value) -> Value {
        serde_json::to_value(read(body, schema).unwrap()).unwrap()
    }

    #[track_caller]
    fn refuses(body: Value, path: &str) {
        let Err(Problem::Invalid(issues)) = read(body, schema) else { panic!("accepted") };
        assert_eq!(issues[0].path, path);
    }

    #[test]
    fn an_update_result_without_a_platform_is_taken() {
        let stored = stored(
            json!({"task_id": "", "exit_code": 0, "stdout": "already up to date", "os": "", "arch": ""}),
        );
        assert_eq!(
            (&stored["os"], &stored["arch"], &stored["hostname"]),
            (&json!(""), &json!(""), &json!(""))
        );
        assert_eq!(stored["execution_duration_ms"], 0);
        assert_eq!(stored.get("error"), None);
    }

    #[test]
    fn a_null_list_is_an_empty_one() {
        let control = json!({"control_id": "CH-A-001", "exit_code": 126, "techniques": null, "details": null});
        let stored = stored(
            json!({"exit_code": 101, "bundle_results": {"bundle_id": "b", "controls": [control]}}),
        );
        let control = &stored["bundle_results"]["controls"][0];
        assert_eq!(
            (&control["techniques"], &control["tactics"], &control["details"]),
            (&json!([]), &json!([]), &json!(""))
        );
        let stored = self::stored(json!({"exit_code": 1, "bundle_results": {"controls": null}}));
        assert_eq!(stored["bundle_results"]["controls"], json!([]));
    }

    #[test]
    fn an_exit_code_of_any_sign_must_be_there() {
        assert_eq!(stored(json!({"exit_code": -1}))["exit_code"], -1);
        refuses(json!({}), "exit_code");
        refuses(json!({"exit_code": null}), "exit_code");
        refuses(json!({"exit_code": 1.5}), "exit_code");
    }

    #[test]
    fn output_with_nul_is_repaired_not_refused() {
        assert_eq!(stored(json!({"exit_code": 0, "stdout": "a\u{0}b"}))["stdout"], "a\u{fffd}b");
    }

    #[test]
    fn a_wrong_type_is_an_issue() {
        refuses(json!({"exit_code": 0, "stdout": 7}), "stdout");
        refuses(json!({"exit_code": 0, "os": "plan9"}), "os");
        refuses(
            json!({"exit_code": 0, "bundle_results": {"controls": [{"tactics": [1]}]}}),
            "bundle_results.controls.0.tactics.0",
        );
    }
}

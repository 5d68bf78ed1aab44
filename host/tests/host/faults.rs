//! Manifests that cannot be loaded: every fault is named, at once.

use crate::support::{faults, manifest, options};

#[test]
fn every_fault_of_form_is_named() {
    let manifest = r#"
        spin_manifest_version = 1
        colour = "red"
        [application]
        version = 1
        [variables]
        Loud = { default = "x" }
        both = { default = "x", required = true }
        [[trigger.http]]
        route = "/a/.../b"
        component = "nobody"
        [[trigger.redis]]
        channel = "x"
        [component.guest]
        source = { url = "https://example.com/x.wasm", digest = "sha256:0" }
        sqlite_databases = ["default", "other"]
        key_value_stores = "default"
        ai_models = ["llama2-chat"]
        allowed_outbound_hosts = ["example.com"]
        variables = { a = "{{ b" }
        colour = "red"
        [component.guest.tool.anything]
        goes = true
    "#;
    assert_eq!(
        faults(manifest),
        [
            "spin_manifest_version: not supported by this host: only version 2",
            "application.name: missing",
            "application.version: must be a string",
            "variables.Loud: a variable is named in lower_snake_case",
            "variables.both: must either be `required` or have a `default`",
            "component.guest.ai_models: not supported by this host: no model runs here",
            "component.guest.source: not supported by this host: nothing is downloaded, name a file",
            "component.guest.variables.a: a {{ is not closed in \"{{ b\"",
            "component.guest.allowed_outbound_hosts: \"example.com\" has no scheme, as http:// or *://",
            "component.guest.key_value_stores: must be a list",
            "component.guest.sqlite_databases: unknown label \"other\", only \"default\" exists",
            "component.guest.colour: unknown key",
            "trigger.redis: unknown trigger, only http is served",
            "trigger.http[1].route: a wildcard \"...\" stands only as the last segment, in \"/a/.../b\"",
            "trigger.http[1].component: there is no component \"nobody\"",
            "colour: unknown key",
        ]
    );
}

#[test]
fn a_fault_of_form_hides_no_other() {
    let rest = r#"
        colour = "red"
        [variables]
        needed = { required = true }
        [component.absent]
        source = "absent.wasm"
        [component.nothing]
    "#;
    let found = faults(&manifest("", rest));
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], "component.guest.colour: unknown key");
    assert_eq!(found[1], "component.nothing.source: missing");
    assert!(found[2].starts_with("variables.needed: required"), "{found:?}");
    assert!(found[3].starts_with("component.absent.source: cannot read "), "{found:?}");
}

#[test]
fn what_is_not_toml_says_where() {
    let found = faults("spin_manifest_version = ");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("manifest: not valid TOML: TOML parse error at line 1"),
        "{found:?}"
    );
}

#[test]
fn what_is_missing_is_named() {
    let rest = r#"
        [variables]
        needed = { required = true }
        [component.guest.variables]
        a = "{{ unknown }}"
        [component.absent]
        source = "absent.wasm"
        [component.text]
        source = "spin.toml"
    "#;
    let found = faults(&manifest("", rest));
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], "variables.needed: required, but has no value; set SPIN_VARIABLE_NEEDED");
    assert_eq!(found[1], "component.guest.variables.a: there is no variable \"unknown\"");
    assert!(found[2].starts_with("component.absent.source: cannot read "), "{found:?}");
    assert!(found[3].starts_with("component.text: not a WebAssembly component: "), "{found:?}");
}

#[test]
fn an_env_file_that_cannot_be_understood_keeps_its_secrets() {
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::write(directory.path().join(".env"), "A=\"s3cret\nB=1\n").unwrap();
    let path = directory.path().join("other.toml");
    std::fs::write(&path, manifest("", "")).unwrap();
    let error = host::Manifest::load(&path).unwrap().values(&options()).unwrap_err().to_string();
    assert!(error.contains("other.toml:\n  variables: cannot read "), "{error}");
    assert!(error.contains("a quote is not closed") && !error.contains("s3cret"), "{error}");
}

#[track_caller]
fn check_component(wat: &str, expected: &str) {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("own.wasm");
    std::fs::write(&file, wat::parse_str(wat).unwrap()).unwrap();
    let manifest = format!(
        r#"
        spin_manifest_version = 2
        application = {{ name = "own" }}
        [[trigger.http]]
        route = "/"
        component = "own"
        [component.own]
        source = "{}"
        "#,
        file.display()
    );
    assert!(faults(&manifest).iter().any(|it| it == expected), "{:?}", faults(&manifest));
}

#[test]
fn an_import_that_is_not_known_is_named() {
    check_component(
        r#"(component (import "vendor:thing/api@1.0.0" (instance (export "f" (func)))))"#,
        "component.own: import \"vendor:thing/api@1.0.0\" is not provided by this host, nor by a \
         dependency",
    );
}

#[test]
fn a_component_that_answers_no_requests_is_refused() {
    check_component(
        "(component)",
        "component.own: cannot be linked: exports no wasi:http/handler@0.3, but \"\"",
    );
}

#[test]
fn a_module_is_not_a_component() {
    check_component(
        "(module)",
        "component.own: not a WebAssembly component: package `component` is not a binary-encoded \
         WebAssembly component",
    );
}

#[test]
fn a_manifest_that_is_not_there_is_said() {
    let error = host::Application::load("/nowhere/spin.toml".as_ref(), host::Options::default());
    let text = error.err().map(|it| it.to_string()).unwrap_or_default();
    assert!(text.contains("manifest: cannot read /nowhere/spin.toml: No such file"), "{text}");
}

#[test]
fn harmless_keys_are_accepted() {
    let grants = r#"
        description = "x"
        exclude_files = []
        build = { command = ["true", "true"], workdir = ".", watch = ["*"] }
        tool = { cron = { expression = "* * * * *" } }
        targets = []
    "#;
    let rest = r#"
        [application.trigger.http]
        base = "/"
    "#;
    let manifest = manifest(grants, rest).replace("application = { name = \"test\" }", "").replace(
        "[application.trigger.http]",
        "[application]\nname = \"x\"\nauthors = [\"me\"]\n[application.trigger.http]",
    );
    assert_eq!(faults(&manifest), [""; 0]);
}

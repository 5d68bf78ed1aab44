//! Components of components, and what they are lent.

use crate::support::{Running, faults, wasm};

fn composed(dependency: &str, rest: &str) -> String {
    format!(
        r#"
        spin_manifest_version = 2
        application = {{ name = "composed" }}
        [variables]
        greeting = {{ default = "hello" }}
        [[trigger.http]]
        route = "/..."
        component = "caller"
        [component.caller]
        source = "{caller}"
        allowed_outbound_hosts = ["http://self"]
        environment = {{ GREETING = "hello" }}
        files = [{{ source = "data", destination = "/data" }}]
        key_value_stores = ["default"]
        sqlite_databases = ["default"]
        variables = {{ greeting = "{{{{ greeting }}}}" }}
        {rest}
        [component.caller.dependencies]
        {dependency}
        [component.library]
        source = "{library}"
        "#,
        caller = wasm("host_guest_caller").display(),
        library = wasm("host_guest_library").display(),
    )
}

fn lending(inherit: &str) -> String {
    let library = wasm("host_guest_library");
    let library = library.display();
    composed(&format!(r#""test:library" = {{ path = "{library}"{inherit} }}"#), "")
}

const GRANTS: [(&str, &str); 6] = [
    ("sqlite", "sqlite_databases"),
    ("key-value", "key_value_stores"),
    ("variable", "variables"),
    ("environment", "environment"),
    ("file", "files"),
    ("?http://self/.well-known/spin/none", "allowed_outbound_hosts"),
];

/// Which of the grants the dependency could use.
async fn lent(manifest: &str) -> Vec<&'static str> {
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::write(directory.path().join("data/greeting"), "hello").unwrap();
    let application =
        crate::support::load(directory.path(), manifest, crate::support::options()).unwrap();
    let app = Running { application, directory };
    let mut lent = Vec::new();
    for (attempt, grant) in GRANTS {
        let answer = app.ok(&format!("/{attempt}"), "").await;
        match answer.split_once(": ") {
            Some(("lent", _)) => lent.push(grant),
            Some(("denied", _)) => {}
            _ => panic!("{attempt}: {answer}"),
        }
    }
    lent
}

fn all() -> Vec<&'static str> {
    GRANTS.map(|(_, grant)| grant).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_is_lent_nothing_by_default() {
    assert_eq!(lent(&lending("")).await, [""; 0]);
    assert_eq!(lent(&lending(", inherit_configuration = false")).await, [""; 0]);
    assert_eq!(lent(&lending(", inherit_configuration = []")).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_is_lent_everything() {
    assert_eq!(lent(&lending(", inherit_configuration = true")).await, all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_is_lent_the_kinds_named() {
    for (_, grant) in GRANTS {
        let manifest = lending(&format!(", inherit_configuration = [{grant:?}]"));
        assert_eq!(lent(&manifest).await, [grant]);
    }
    let some = r#", inherit_configuration = ["sqlite_databases", "variables"]"#;
    assert_eq!(lent(&lending(some)).await, ["sqlite_databases", "variables"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dependencies_are_lent_everything() {
    let inherit = "dependencies_inherit_configuration = true";
    let manifest = composed(r#""test:library" = { component = "library" }"#, inherit);
    assert_eq!(lent(&manifest).await, all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_is_found_by_every_form_of_its_name() {
    for name in
        ["test:library", "test:library@0.1.0", "test:library/probe", "test:library/probe@0.1.0"]
    {
        let dependency = format!(
            r#""{name}" = {{ component = "library", inherit_configuration = ["variables"] }}"#
        );
        assert_eq!(lent(&composed(&dependency, "")).await, ["variables"], "{name}");
    }
}

#[test]
fn a_dependency_must_satisfy_something() {
    let other = composed(r#""test:other" = { component = "library" }"#, "");
    let found = faults(&other);
    assert!(found[0].contains("the dependency test:other matches no import"), "{found:?}");
    let export = r#""test:library/probe" = { component = "library", export = "test:library/x" }"#;
    let found = faults(&composed(export, ""));
    assert!(found[0].contains("does not export \"test:library/x\""), "{found:?}");
}

#[test]
fn an_import_that_nobody_provides_is_named() {
    let found = faults(&composed("", ""));
    let expected = "component.caller: import \"test:library/probe@0.1.0\" is not provided by this \
                    host, nor by a dependency";
    assert_eq!(found[0], expected);
}

#[test]
fn a_component_with_grants_is_no_dependency() {
    let manifest = composed(r#""test:library" = { component = "library" }"#, "")
        + "sqlite_databases = [\"default\"]\n";
    assert_eq!(
        faults(&manifest),
        ["component.caller.dependencies.\"test:library\": component \"library\" has grants of \
          its own: sqlite_databases"]
    );
}

#[test]
fn two_dependencies_of_one_import_are_a_fault() {
    let dependencies = r#"
        "test:library" = { component = "library" }
        "test:library/probe@0.1.0" = { component = "library" }
    "#;
    assert_eq!(
        faults(&composed(dependencies, "")),
        ["component.caller.dependencies.\"test:library/probe@0.1.0\": overlaps with the \
          dependency \"test:library\""]
    );
}

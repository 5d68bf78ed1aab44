//! `[component.<id>]`: a WebAssembly file, and what it may touch.

use std::{collections::BTreeMap, path::PathBuf};

use toml::{Table, Value};

use super::{
    dependency::{self, Dependency},
    section::Section,
};
use crate::{fault::Cause, outbound::AllowedHost, template::Template};

/// A WebAssembly component, and what it is granted. Without a trigger it serves only others.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    pub id: String,
    /// Relative to the manifest.
    pub source: PathBuf,
    pub description: String,
    /// Values are templates over the application's variables.
    pub variables: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    pub files: Vec<Mount>,
    pub exclude_files: Vec<String>,
    /// Templates over the application's variables.
    pub allowed_outbound_hosts: Vec<String>,
    pub key_value_stores: Vec<String>,
    pub sqlite_databases: Vec<String>,
    pub dependencies: Vec<Dependency>,
    pub build: Option<Build>,
    /// `[component.<id>.tool]`: not ours to understand.
    pub tool: Table,
}

/// Files that a guest may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// Files under the manifest's directory, at the same relative path.
    Pattern(String),
    /// A directory, or a file, at another path.
    Directory { source: PathBuf, destination: String },
}

/// How a component is made; [`crate::build()`] runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    pub commands: Vec<String>,
    /// Relative to the manifest.
    pub workdir: Option<PathBuf>,
    pub watch: Vec<String>,
}

pub(super) fn read_all(mut section: Section<'_>) -> Vec<Component> {
    let mut components = Vec::new();
    for id in section.keys() {
        if !is_kebab(&id) {
            section.report(&id, Cause::Invalid("a component is named in kebab-case".into()));
        }
        components.extend(section.section(&id).map(|it| read(id, it)));
    }
    components
}

fn read(id: String, mut section: Section<'_>) -> Component {
    refuse_unsupported(&mut section);
    let component = Component {
        id,
        source: source(&mut section),
        description: section.string("description").unwrap_or_default(),
        variables: variables(&mut section),
        environment: section.string_map("environment"),
        files: files(&mut section),
        exclude_files: section.strings("exclude_files"),
        allowed_outbound_hosts: allowed_outbound_hosts(&mut section),
        key_value_stores: labels(&mut section, "key_value_stores"),
        sqlite_databases: labels(&mut section, "sqlite_databases"),
        dependencies: dependency::read_all(&mut section),
        build: section.section("build").map(build),
        tool: section.table("tool").unwrap_or_default(),
    };
    section.finish();
    component
}

fn refuse_unsupported(section: &mut Section<'_>) {
    for key in ["ai_models", "allowed_http_hosts"] {
        if section.array(key).is_empty() {
            continue;
        }
        section.report(
            key,
            match key {
                "ai_models" => Cause::Unsupported("no model runs here"),
                _ => Cause::Unsupported("write allowed_outbound_hosts"),
            },
        );
    }
    // What `spin build` checks and what `spin up --profile` selects: nothing to us.
    section.take("targets");
    section.take("profile");
}

fn source(section: &mut Section<'_>) -> PathBuf {
    match section.peek("source") {
        Some(Value::Table(_)) => {
            section.take("source");
            section.report("source", Cause::Unsupported("nothing is downloaded, name a file"));
            PathBuf::new()
        }
        _ => section.required_string("source").unwrap_or_default().into(),
    }
}

fn variables(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let at = section.at("variables");
    let variables = section.string_map("variables");
    for (name, value) in &variables {
        if !crate::variables::is_name(name) {
            let cause = "a variable is named in lower_snake_case".into();
            section.report_at(format!("{at}.{name}"), Cause::Invalid(cause));
        }
        if let Err(e) = Template::parse(value) {
            section.report_at(format!("{at}.{name}"), Cause::Invalid(e.to_string()));
        }
    }
    variables
}

fn allowed_outbound_hosts(section: &mut Section<'_>) -> Vec<String> {
    let hosts = section.strings("allowed_outbound_hosts");
    for host in &hosts {
        let cause = match Template::parse(host) {
            Err(e) => e.to_string(),
            Ok(template) if template.is_literal() => match AllowedHost::parse(host) {
                Err(e) => e.to_string(),
                Ok(_) => continue,
            },
            Ok(_) => continue,
        };
        section.report("allowed_outbound_hosts", Cause::Invalid(cause));
    }
    hosts
}

/// Spin knows other labels by its runtime configuration, which we do not read.
fn labels(section: &mut Section<'_>, key: &str) -> Vec<String> {
    let labels = section.strings(key);
    for label in labels.iter().filter(|it| *it != "default") {
        section.report(key, Cause::UnknownLabel(label.clone()));
    }
    labels
}

fn files(section: &mut Section<'_>) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for (index, value) in section.array("files").into_iter().enumerate() {
        match value {
            Value::String(pattern) => mounts.push(Mount::Pattern(pattern)),
            Value::Table(table) => {
                let mut mount = section.nested(&format!("files[{}]", index + 1), table);
                let source = mount.required_string("source");
                let destination = mount.required_string("destination");
                if destination.as_ref().is_some_and(|it| !it.starts_with('/')) {
                    mount.report("destination", Cause::WrongType("an absolute path"));
                }
                mount.finish();
                if let (Some(source), Some(destination)) = (source, destination) {
                    mounts.push(Mount::Directory { source: source.into(), destination });
                }
            }
            _ => section.report("files", Cause::WrongType("patterns or { source, destination }")),
        }
    }
    mounts
}

fn build(mut section: Section<'_>) -> Build {
    let commands = match section.peek("command") {
        Some(Value::Array(_)) => section.strings("command"),
        _ => section.required_string("command").into_iter().collect(),
    };
    let workdir = section.string("workdir").map(PathBuf::from);
    let watch = section.strings("watch");
    section.finish();
    Build { commands, workdir, watch }
}

/// Words of letters and digits, each starting with a letter, joined by `-`.
pub(super) fn is_kebab(id: &str) -> bool {
    id.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

//! `spin.toml`, manifest version 2: what it says, as values.
//!
//! Reading finds every fault of form at once. It opens no component and looks
//! up no variable; [`crate::Application::load`] does.

mod component;
mod dependency;
mod section;
mod trigger;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use component::{Build, Component, Mount};
pub use dependency::{Dependency, DependencyName, Inherit, Kind, Provider};
use section::Section;
use toml::{Table, Value};
pub use trigger::{HttpTrigger, Route};

use crate::fault::{Cause, Fault, Faults, LoadError};

/// An application, as its manifest describes it: its parts, what each may touch, and who calls them.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub description: String,
    pub authors: Vec<String>,
    pub variables: BTreeMap<String, Variable>,
    /// In the order of the file.
    pub triggers: Vec<HttpTrigger>,
    /// In the order of the file.
    pub components: Vec<Component>,
    /// `[application.tool]`: not ours to understand.
    pub tool: Table,
    /// Where the manifest lies; its relative paths start here.
    pub directory: PathBuf,
    /// Its name there. Default: `spin.toml`.
    file: PathBuf,
}

/// An application variable. Exactly one of `required` and `default` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub required: bool,
    pub default: Option<String>,
    pub secret: bool,
}

impl Manifest {
    /// Reads the file of a manifest.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let faults = Faults::default();
        let failed =
            |faults: Faults| LoadError { manifest: path.into(), faults: faults.into_vec() };
        match Self::read(path, &faults) {
            Some(manifest) if faults.is_empty() => Ok(manifest),
            _ => Err(failed(faults)),
        }
    }

    /// What can be understood of a file, so that the rest of it can be checked as well. `None` where
    /// that is nothing.
    pub(crate) fn read(path: &Path, faults: &Faults) -> Option<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| {
                let cause = Cause::Unreadable { path: path.to_owned(), reason: e.to_string() };
                faults.report("manifest", cause);
            })
            .ok()?;
        let directory = match path.parent() {
            Some(it) if !it.as_os_str().is_empty() => it,
            _ => Path::new("."),
        };
        let mut manifest = Self::understand(&text, directory, faults)?;
        if let Some(name) = path.file_name() {
            manifest.file = name.into();
        }
        Some(manifest)
    }

    fn understand(text: &str, directory: &Path, faults: &Faults) -> Option<Self> {
        match text.parse::<Table>() {
            Ok(table) => Some(read(Section::root(table, faults), directory)),
            Err(e) => {
                faults.report("manifest", Cause::Syntax(e.to_string()));
                None
            }
        }
    }

    /// Where it was read, or would have been: faults name it.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(&self.file)
    }

    /// Reads the text of a manifest whose relative paths start at `directory`.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, Vec<Fault>> {
        let faults = Faults::default();
        match Self::understand(text, directory, &faults) {
            Some(manifest) if faults.is_empty() => Ok(manifest),
            _ => Err(faults.into_vec()),
        }
    }

    pub fn component(&self, id: &str) -> Option<&Component> {
        self.components.iter().find(|it| it.id == id)
    }

    /// The components that answer requests: those with a trigger.
    pub fn served(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(|it| self.triggers.iter().any(|t| t.component == it.id))
    }
}

fn read(mut root: Section<'_>, directory: &Path) -> Manifest {
    match root.take("spin_manifest_version") {
        Some(Value::Integer(2)) => {}
        Some(_) => root.report("spin_manifest_version", Cause::Unsupported("only version 2")),
        None => root.report("spin_manifest_version", Cause::Missing),
    }
    if !root.has("application") {
        root.report("application", Cause::Missing);
    }
    let application = root.section("application").map(details);
    let variables = root.section("variables").map(variables).unwrap_or_default();
    let components = root.section("component").map(component::read_all).unwrap_or_default();
    let triggers =
        root.section("trigger").map(|it| trigger::read_all(it, &components)).unwrap_or_default();
    dependency::check(&root, &components);
    root.finish();
    let Details { name, version, description, authors, tool } = application.unwrap_or_default();
    let directory = directory.to_owned();
    Manifest {
        name,
        version,
        description,
        authors,
        variables,
        triggers,
        components,
        tool,
        directory,
        file: "spin.toml".into(),
    }
}

#[derive(Default)]
struct Details {
    name: String,
    version: String,
    description: String,
    authors: Vec<String>,
    tool: Table,
}

fn details(mut section: Section<'_>) -> Details {
    let details = Details {
        name: section.required_string("name").unwrap_or_default(),
        version: section.string("version").unwrap_or_default(),
        description: section.string("description").unwrap_or_default(),
        authors: section.strings("authors"),
        tool: section.table("tool").unwrap_or_default(),
    };
    // Deployment targets are checked by `spin build`; they change nothing here.
    section.take("targets");
    if let Some(mut triggers) = section.section("trigger") {
        if let Some(mut http) = triggers.section("http") {
            if http.string("base").is_some_and(|it| it != "/") {
                http.report("base", Cause::Unsupported("write the base into every route"));
            }
            http.finish();
        }
        triggers.finish();
    }
    section.finish();
    details
}

fn variables(mut section: Section<'_>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    for name in section.keys() {
        if !crate::variables::is_name(&name) {
            section.report(&name, Cause::Invalid("a variable is named in lower_snake_case".into()));
        }
        let Some(mut table) = section.section(&name) else { continue };
        let variable = Variable {
            required: table.boolean("required"),
            default: table.string("default"),
            secret: table.boolean("secret"),
        };
        table.string("description");
        table.finish();
        if variable.required == variable.default.is_some() {
            let cause = "must either be `required` or have a `default`".into();
            section.report(&name, Cause::Invalid(cause));
        }
        variables.insert(name, variable);
    }
    variables
}

//! `[component.<id>.dependencies]`: who satisfies which imports, and what of
//! the component's own grants it is lent.

use std::{collections::BTreeSet, fmt, path::PathBuf, str::FromStr};

use toml::Value;

use super::{Component, component::is_kebab, section::Section};
use crate::fault::Cause;

/// Another component that provides imports of this one, within it: a call costs no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub name: DependencyName,
    pub provider: Provider,
    /// The export to use, where it is not named as the import.
    pub export: Option<String>,
    pub inherit: Inherit,
}

/// Who provides the imports of a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// A file, relative to the manifest.
    File(PathBuf),
    /// Another component of the manifest, which then has no grants of its own.
    Component(String),
}

/// Which imports a dependency is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependencyName {
    Plain(String),
    Package { package: String, interface: Option<String>, version: Option<String> },
}

/// What a dependency may use of the grants of the component it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherit {
    All,
    Only(BTreeSet<Kind>),
}

impl Inherit {
    pub fn lends(&self, kind: Kind) -> bool {
        match self {
            Inherit::All => true,
            Inherit::Only(kinds) => kinds.contains(&kind),
        }
    }
}

/// A kind of grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    AiModels,
    AllowedOutboundHosts,
    Environment,
    Files,
    KeyValueStores,
    SqliteDatabases,
    Variables,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        Ok(match s {
            "ai_models" => Kind::AiModels,
            "allowed_outbound_hosts" => Kind::AllowedOutboundHosts,
            "environment" => Kind::Environment,
            "files" => Kind::Files,
            "key_value_stores" => Kind::KeyValueStores,
            "sqlite_databases" => Kind::SqliteDatabases,
            "variables" => Kind::Variables,
            _ => return Err(()),
        })
    }
}

impl FromStr for DependencyName {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "must be named pkg:name, pkg:name@version or pkg:name/interface@version";
        if is_kebab(s) {
            return Ok(DependencyName::Plain(s.into()));
        }
        let (path, version) = match s.split_once('@') {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (s, None),
        };
        let (package, interface) = match path.split_once('/') {
            Some((package, interface)) => (package, Some(interface.to_owned())),
            None => (path, None),
        };
        let (namespace, name) = package.split_once(':').ok_or(FORM)?;
        let interface_is_kebab = interface.as_deref().is_none_or(is_kebab);
        let version_is_given = version.as_deref() != Some("");
        if is_kebab(namespace) && is_kebab(name) && interface_is_kebab && version_is_given {
            Ok(DependencyName::Package { package: package.into(), interface, version })
        } else {
            Err(FORM)
        }
    }
}

impl fmt::Display for DependencyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DependencyName::Plain(name) => f.write_str(name),
            DependencyName::Package { package, interface, version } => {
                f.write_str(package)?;
                interface.iter().try_for_each(|it| write!(f, "/{it}"))?;
                version.iter().try_for_each(|it| write!(f, "@{it}"))
            }
        }
    }
}

impl DependencyName {
    /// Whether this names `import`, as `pkg:name/interface@version`.
    pub fn matches(&self, import: &str) -> bool {
        match (self, import.parse()) {
            (
                DependencyName::Package { package, interface, version },
                Ok(DependencyName::Package { package: p, interface: i, version: v }),
            ) => {
                *package == p
                    && (interface.is_none() || *interface == i)
                    && (version.is_none() || *version == v)
            }
            (DependencyName::Plain(name), _) => name == import,
            _ => false,
        }
    }

    /// Whether some import could be meant by both.
    fn overlaps(&self, other: &Self) -> bool {
        fn differ(a: Option<&String>, b: Option<&String>) -> bool {
            a.is_some() && b.is_some() && a != b
        }
        match (self, other) {
            (
                DependencyName::Package { package, interface, version },
                DependencyName::Package { package: p, interface: i, version: v },
            ) => {
                package == p
                    && !differ(interface.as_ref(), i.as_ref())
                    && !differ(version.as_ref(), v.as_ref())
            }
            (a, b) => a == b,
        }
    }
}

pub(super) fn read_all(component: &mut Section<'_>) -> Vec<Dependency> {
    let all = component.has("dependencies_inherit_configuration");
    let inherit = if component.boolean("dependencies_inherit_configuration") {
        Inherit::All
    } else {
        Inherit::Only(BTreeSet::new())
    };
    let Some(mut section) = component.section("dependencies") else { return Vec::new() };
    let mut dependencies: Vec<Dependency> = Vec::new();
    for key in section.keys() {
        let name = key.parse::<DependencyName>();
        if let Err(e) = &name {
            section.report(&key, Cause::Invalid((*e).into()));
        }
        let Some(dependency) = read(&mut section, &key, name, &inherit, all) else { continue };
        if let Some(other) = dependencies.iter().find(|it| it.name.overlaps(&dependency.name)) {
            let cause = format!("overlaps with the dependency {:?}", other.name.to_string());
            section.report(&key, Cause::Invalid(cause));
        }
        dependencies.push(dependency);
    }
    dependencies
}

fn read(
    section: &mut Section<'_>,
    key: &str,
    name: Result<DependencyName, &'static str>,
    inherit: &Inherit,
    inherit_is_decided: bool,
) -> Option<Dependency> {
    const LOCAL: &str = "nothing is downloaded, write { path = … } or { component = … }";
    if let Some(Value::String(_)) = section.peek(key) {
        section.take(key);
        section.report(key, Cause::Unsupported(LOCAL));
    }
    let mut table = section.section(key)?;
    for key in ["version", "registry", "package", "url", "digest"] {
        if table.take(key).is_some() {
            table.report(key, Cause::Unsupported(LOCAL));
        }
    }
    let (path, component) = (table.string("path"), table.string("component"));
    let export = table.string("export");
    let own = own_inherit(&mut table, inherit_is_decided);
    if export.is_some() && matches!(name, Ok(DependencyName::Package { interface: None, .. })) {
        table.report("export", Cause::Invalid("a whole package cannot be one export".into()));
    }
    let provider = match (path, component) {
        (Some(path), None) => Some(Provider::File(path.into())),
        (None, Some(id)) => Some(Provider::Component(id)),
        _ => {
            section.report(key, Cause::WrongType("{ path = … } or { component = … }"));
            None
        }
    };
    table.finish();
    Some(Dependency {
        name: name.ok()?,
        provider: provider?,
        export,
        inherit: own.unwrap_or_else(|| inherit.clone()),
    })
}

fn own_inherit(table: &mut Section<'_>, is_decided: bool) -> Option<Inherit> {
    const KEY: &str = "inherit_configuration";
    if is_decided && table.has(KEY) {
        let cause = "either this or the component's dependencies_inherit_configuration";
        table.report(KEY, Cause::Invalid(cause.into()));
    }
    match table.peek(KEY)? {
        Value::Boolean(true) => {
            table.take(KEY);
            Some(Inherit::All)
        }
        Value::Boolean(false) => {
            table.take(KEY);
            Some(Inherit::Only(BTreeSet::new()))
        }
        // Spin ignores a wrong name in silence, which denies; we say so instead.
        _ => {
            let mut kinds = BTreeSet::new();
            for name in table.strings(KEY) {
                match name.parse() {
                    Ok(kind) => drop(kinds.insert(kind)),
                    Err(()) => {
                        table.report(KEY, Cause::Invalid(format!("there is no kind {name:?}")));
                    }
                }
            }
            Some(Inherit::Only(kinds))
        }
    }
}

/// A component that others depend on runs with their grants: its own would be
/// a surprise, because they would not apply.
pub(super) fn check(root: &Section<'_>, components: &[Component]) {
    for component in components {
        for dependency in &component.dependencies {
            let Provider::Component(id) = &dependency.provider else { continue };
            let at = format!(
                "component.{}.dependencies.{:?}",
                component.id,
                dependency.name.to_string()
            );
            let Some(provider) = components.iter().find(|it| it.id == *id) else {
                root.report_at(at, Cause::UnknownComponent(id.clone()));
                continue;
            };
            let grants = grants(provider);
            if !grants.is_empty() {
                let cause =
                    format!("component {id:?} has grants of its own: {}", grants.join(", "));
                root.report_at(at, Cause::Invalid(cause));
            }
        }
    }
}

fn grants(component: &Component) -> Vec<&'static str> {
    [
        ("allowed_outbound_hosts", component.allowed_outbound_hosts.is_empty()),
        ("dependencies", component.dependencies.is_empty()),
        ("files", component.files.is_empty()),
        ("key_value_stores", component.key_value_stores.is_empty()),
        ("sqlite_databases", component.sqlite_databases.is_empty()),
        ("variables", component.variables.is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, is_empty)| (!is_empty).then_some(key))
    .collect()
}

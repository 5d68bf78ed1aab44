//! Application variables: where their values come from, and how a guest asks
//! for them (`spin:variables@3.0.0`).
//!
//! Values are read once, at load: a later change of the environment is not seen.

use std::collections::BTreeMap;

use wasmtime::component::{Accessor, HasSelf};

use crate::{
    bindings::spin::variables::variables::{Error, Host, HostWithStore},
    dotenv,
    fault::{Cause, Faults, LoadError},
    manifest::{Component, Manifest, Variable},
    options::Options,
    state::Instance,
    template::Template,
};

/// Words of lower-case letters and digits joined by `_`, starting with a letter.
pub(crate) fn is_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(word)
}

/// Looks up every variable of the application. In order of precedence, as in
/// Spin: given explicitly, process environment, `.env`, default.
pub(crate) fn resolve(
    manifest: &Manifest,
    options: &Options,
    faults: &Faults,
) -> BTreeMap<String, String> {
    let env_file = env_file(manifest, options, faults);
    for name in options.variables.keys().filter(|it| !manifest.variables.contains_key(*it)) {
        faults.report("variables", Cause::UnknownVariable(name.clone()));
    }
    let mut values = BTreeMap::new();
    for (name, variable) in &manifest.variables {
        let key = format!("SPIN_VARIABLE_{}", name.to_uppercase());
        let value = options
            .variables
            .get(name)
            .or_else(|| options.environment.get(&key))
            .or_else(|| env_file.get(&key))
            .or(variable.default.as_ref());
        match value {
            Some(value) => drop(values.insert(name.clone(), value.clone())),
            None => faults.report(format!("variables.{name}"), Cause::VariableUnset(name.clone())),
        }
    }
    values
}

impl Manifest {
    /// The values that [`Application::load`](crate::Application::load) would give to the variables.
    pub fn values(&self, options: &Options) -> Result<BTreeMap<String, String>, LoadError> {
        let faults = Faults::default();
        let values = resolve(self, options, &faults);
        if faults.is_empty() {
            return Ok(values);
        }
        Err(LoadError { manifest: self.path(), faults: faults.into_vec() })
    }
}

fn env_file(manifest: &Manifest, options: &Options, faults: &Faults) -> BTreeMap<String, String> {
    let beside = manifest.directory.join(".env");
    let path = options.env_file.as_ref().unwrap_or(&beside);
    let read = match std::fs::read(path) {
        Ok(bytes) => dotenv::parse(&bytes).map_err(|e| e.to_string()),
        Err(e) if options.env_file.is_none() && e.kind() == std::io::ErrorKind::NotFound => {
            Ok(BTreeMap::new())
        }
        Err(e) => Err(e.to_string()),
    };
    read.unwrap_or_else(|reason| {
        faults.report("variables", Cause::Unreadable { path: path.clone(), reason });
        BTreeMap::new()
    })
}

/// What the component sees: its own names, templates filled in.
pub(crate) fn of_component(
    component: &Component,
    declared: &BTreeMap<String, Variable>,
    values: &BTreeMap<String, String>,
    faults: &Faults,
) -> BTreeMap<String, String> {
    let at = |name: &str| format!("component.{}.variables.{name}", component.id);
    let fill = |(name, value): (&String, &String)| {
        Some((name.clone(), fill(value, &at(name), declared, values, faults)?))
    };
    component.variables.iter().filter_map(fill).collect()
}

/// Fills in one template. A variable that is declared but has no value was
/// reported where it is declared.
pub(crate) fn fill(
    template: &str,
    at: &str,
    declared: &BTreeMap<String, Variable>,
    values: &BTreeMap<String, String>,
    faults: &Faults,
) -> Option<String> {
    let template = Template::parse(template).ok()?;
    for name in template.variables().filter(|it| !declared.contains_key(*it)) {
        faults.report(at, Cause::UnknownVariable(name.to_owned()));
    }
    template.resolve(values).ok()
}

impl Host for Instance {}

impl<T: Send + 'static> HostWithStore<T> for HasSelf<Instance> {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        if !is_name(&name) {
            return Ok(Err(Error::InvalidName(format!("{name:?} is not in lower_snake_case"))));
        }
        Ok(accessor.with(|mut access| {
            let value = access.get().component.variables.get(&name).cloned();
            value.ok_or_else(|| {
                Error::Undefined(format!("no variable {name:?} is given to this component"))
            })
        }))
    }
}

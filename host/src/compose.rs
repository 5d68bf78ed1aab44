//! Puts a component and its dependencies together into one, as Spin does: each
//! dependency's exports become the component's imports.
//!
//! A dependency is lent the component's grants by kind. For a kind that it is
//! not lent, its import is given another name, under which [`crate::denied`]
//! provides an interface that denies everything. So a grant that is not lent is
//! not reachable, whoever holds a handle.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use wac_graph::{
    CompositionGraph, EncodeOptions, NodeId,
    types::{Package, SubtypeChecker, WorldId},
};

use crate::{
    denied,
    manifest::{Dependency, DependencyName},
    sources::Sources,
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{}: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("the dependency {0} matches no import; the component imports {1}")]
    Unmatched(String, String),
    #[error("import {0:?} is satisfied by the dependencies {1} and {2}")]
    Twice(String, String, String),
    #[error("the dependency {dependency} does not export {export:?}, it exports {exports}")]
    NoExport { dependency: String, export: String, exports: String },
    #[error(
        "the dependency {dependency} exports {export:?}, of another type than import {import:?}: {reason}"
    )]
    Type { dependency: String, export: String, import: String, reason: String },
    #[error("composition failed: {0}")]
    Graph(String),
}

/// One component, nothing of it instantiated yet.
pub(crate) fn compose(id: &str, sources: &Sources<'_>) -> Result<Vec<u8>, Error> {
    let Sources { main, dependencies } = sources;
    if dependencies.is_empty() {
        return Ok(main.bytes.clone());
    }
    let mut composition = Composition::default();
    let main = composition.add(id, main.bytes.clone())?;
    let imports: Vec<String> =
        composition.graph.types()[main.world].imports.keys().cloned().collect();
    let mut satisfied = BTreeMap::new();
    for (index, (dependency, file)) in dependencies.iter().enumerate() {
        let matched: Vec<&String> =
            imports.iter().filter(|it| dependency.name.matches(it)).collect();
        if matched.is_empty() {
            let name = dependency.name.to_string();
            return Err(Error::Unmatched(name, imports.join(", ")));
        }
        let package = format!("dependency{index}:{}", package_of(&dependency.name));
        let bytes = denied::rename_imports(&file.bytes, &dependency.inherit)
            .map_err(|e| Error::Graph(e.to_string()))?;
        let provider = composition.add(&package, bytes)?;
        for import in matched {
            if let Some(other) = satisfied.insert(import.clone(), &dependency.name) {
                let (a, b) = (other.to_string(), dependency.name.to_string());
                return Err(Error::Twice(import.clone(), a, b));
            }
            composition.connect(&main, import, &provider, dependency)?;
        }
    }
    composition.finish(&main)
}

fn package_of(name: &DependencyName) -> String {
    let name = name.to_string();
    name.split(['@', '/']).next().unwrap_or_default().replace(':', "-")
}

#[derive(Default)]
struct Composition {
    graph: CompositionGraph,
}

struct Added {
    world: WorldId,
    node: NodeId,
}

impl Composition {
    fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<Added, Error> {
        let package =
            Package::from_bytes(name, None, bytes, self.graph.types_mut()).map_err(graph)?;
        let world = package.ty();
        let package = self.graph.register_package(package).map_err(graph)?;
        Ok(Added { world, node: self.graph.instantiate(package) })
    }

    fn connect(
        &mut self,
        main: &Added,
        import: &str,
        provider: &Added,
        dependency: &Dependency,
    ) -> Result<(), Error> {
        let types = self.graph.types();
        let export = dependency.export.as_deref().unwrap_or(import);
        let exports = &types[provider.world].exports;
        let Some(exported) = exports.get(export) else {
            return Err(Error::NoExport {
                dependency: dependency.name.to_string(),
                export: export.to_owned(),
                exports: exports.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        };
        let imported = types[main.world].imports[import];
        SubtypeChecker::new(&mut HashSet::default())
            .is_subtype(*exported, types, imported, types)
            .map_err(|e| Error::Type {
                dependency: dependency.name.to_string(),
                export: export.to_owned(),
                import: import.to_owned(),
                reason: format!("{e:#}"),
            })?;
        let alias = self.graph.alias_instance_export(provider.node, export).map_err(graph)?;
        self.graph.set_instantiation_argument(main.node, import, alias).map_err(graph)
    }

    /// What the component exports, the composition does.
    fn finish(mut self, main: &Added) -> Result<Vec<u8>, Error> {
        let exports: Vec<String> = self.graph.types()[main.world].exports.keys().cloned().collect();
        for export in exports {
            let alias = self.graph.alias_instance_export(main.node, &export).map_err(graph)?;
            self.graph.export(alias, &export).map_err(graph)?;
        }
        self.graph.encode(EncodeOptions::default()).map_err(graph)
    }
}

fn graph(error: impl Into<anyhow::Error>) -> Error {
    Error::Graph(format!("{:#}", error.into()))
}

//! From a manifest to an application that can run, or to all that is wrong.
//!
//! What can be checked without the compiler is checked first, for every
//! component: a user waits for compilation only if the rest is right.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, Weak},
};

use tokio::sync::Semaphore;
use wac_graph::types::{ItemKind, Package, Type, Types};
use wasmtime::Engine;
use wasmtime_wasi_http::{handler::ProxyHandler, p3::bindings::ServicePre};

use crate::{
    access_log::AccessLog,
    application::{Application, Running},
    cache::{self, Entry},
    compose, denied, engine,
    fault::{Cause, Fault, Faults, LoadError},
    files,
    instance::Factory,
    key_value::KeyValue,
    manifest::{Component, Dependency, Manifest, Provider},
    options::{Cache, Options, Progress},
    outbound::AllowedHost,
    routes::Router,
    sources::{File, Files, Sources},
    sqlite::Database,
    state::{Granted, Instance},
    variables,
};

pub(crate) fn load(path: &Path, options: Options) -> Result<Application, LoadError> {
    let faults = Faults::default();
    let failed = |faults: Faults| LoadError { manifest: path.into(), faults: faults.into_vec() };
    let Some(manifest) = Manifest::read(path, &faults) else { return Err(failed(faults)) };
    let loaded = Loader::new(&manifest, &options, &faults).and_then(Loader::load);
    let router = Router::new(&manifest.triggers);
    match (loaded, router) {
        (Some(parts), Ok(router)) if faults.is_empty() => {
            Ok(start(manifest, options, router, parts))
        }
        _ => Err(failed(faults)),
    }
}

/// What a component runs as.
enum Code {
    Compiled(wasmtime::component::Component),
    Composed(Vec<u8>, Option<Entry>),
}

/// One component, ready but for the application it belongs to.
struct Part {
    granted: Granted,
    service: ServicePre<Instance>,
}

fn start(manifest: Manifest, options: Options, router: Router, parts: Vec<Part>) -> Application {
    let log = AccessLog(options.log);
    Application(Arc::new_cyclic(|application| {
        let handler = |Part { granted, service }: Part| {
            let id = granted.id.clone();
            let granted = Arc::new(Granted { application: application.clone(), ..granted });
            let limits = (&options).into();
            (id, ProxyHandler::new(Factory { service, granted, limits, log }))
        };
        let handlers = parts.into_iter().map(handler).collect();
        let in_flight = Arc::new(Semaphore::new(options.max_in_flight));
        Running { manifest, options, router, handlers, in_flight, log }
    }))
}

struct Loader<'a> {
    manifest: &'a Manifest,
    options: &'a Options,
    faults: &'a Faults,
    state_dir: PathBuf,
    /// Of the application.
    variables: BTreeMap<String, String>,
}

impl<'a> Loader<'a> {
    fn new(manifest: &'a Manifest, options: &'a Options, faults: &'a Faults) -> Option<Self> {
        let beside = || manifest.directory.join(".spin");
        let state_dir = options.state_dir.clone().unwrap_or_else(beside);
        if let Err(e) = cache::create_private(&state_dir) {
            let cause = Cause::State { path: state_dir, reason: e.to_string() };
            faults.report("state", cause);
            return None;
        }
        let variables = variables::resolve(manifest, options, faults);
        Some(Self { manifest, options, faults, state_dir, variables })
    }

    fn load(self) -> Option<Vec<Part>> {
        let stores = self.stores();
        let databases = self.databases();
        let engine = engine::engine(self.options.max_in_flight)
            .map_err(|e| self.faults.report("engine", Cause::Engine(format!("{e:#}"))))
            .ok()?;
        let mut files = Files::default();
        let mut checked = Vec::new();
        for component in &self.manifest.components {
            let code = self.code(component, &engine, &mut files);
            let granted = self.granted(component, &databases, &stores);
            if self.is_served(component)
                && let Some(code) = code
            {
                checked.push((granted, code));
            }
        }
        if !self.faults.is_empty() {
            return None;
        }
        let total = checked.len();
        let link = |(index, (granted, code)): (usize, (Granted, Code))| {
            let progress = Progress { component: &granted.id.clone(), index: index + 1, total };
            self.link(&engine, granted, code, progress)
                .map_err(|fault| self.faults.report(fault.at, fault.cause))
                .ok()
        };
        Some(checked.into_iter().enumerate().filter_map(link).collect())
    }

    fn link(
        &self,
        engine: &Engine,
        granted: Granted,
        code: Code,
        progress: Progress<'_>,
    ) -> Result<Part, Fault> {
        let at = |cause| Fault { at: format!("component.{}", granted.id), cause };
        let component = match code {
            Code::Compiled(component) => component,
            Code::Composed(bytes, entry) => {
                self.options.progress.iter().for_each(|it| it(&progress));
                cache::compile(engine, &bytes, entry.as_ref())
                    .map_err(|e| at(Cause::Compile(format!("{e:#}"))))?
            }
        };
        let link = || {
            let mut linker = engine::linker(engine)?;
            denied::add_to_linker(&mut linker, engine, &component)?;
            ServicePre::new(linker.instantiate_pre(&component)?)
        };
        let service = link().map_err(|e| at(Cause::Link(format!("{e:#}"))))?;
        Ok(Part { granted, service })
    }

    /// The component with its dependencies in it: as it was compiled before, or composed now and
    /// checked as far as its types go.
    fn code(&self, component: &Component, engine: &Engine, files: &mut Files) -> Option<Code> {
        let at = format!("component.{}", component.id);
        let sources = self.sources(component, &at, files)?;
        let in_state = self.state_dir.join("cache");
        let directory = match &self.options.cache {
            Cache::Off => None,
            Cache::InState => Some(&*in_state),
            Cache::Directory(path) | Cache::ReadOnly(path) => Some(&**path),
        };
        let entry = directory.map(|it| Entry::new(it, engine, &sources.digest()));
        // Only what passed every check was ever compiled.
        if let Some(compiled) = entry.as_ref().and_then(|it| it.load(engine)) {
            return Some(Code::Compiled(compiled));
        }
        if self.faults.are_within(&format!("{at}.dependencies")) {
            return None;
        }
        let bytes = compose::compose(&component.id, &sources)
            .map_err(|e| self.faults.report(&*at, e.into()))
            .ok()?;
        self.check_interface(&bytes, &at, self.is_served(component));
        let is_kept = !matches!(self.options.cache, Cache::ReadOnly(_));
        Some(Code::Composed(bytes, entry.filter(|_| is_kept)))
    }

    fn sources(
        &self,
        component: &'a Component,
        at: &str,
        files: &mut Files,
    ) -> Option<Sources<'a>> {
        let main = self.read(&component.source, format!("{at}.source"), files)?;
        let mut dependencies = Vec::new();
        for dependency in &component.dependencies {
            let path = self.provider(dependency)?;
            let at = format!("{at}.dependencies.{:?}", dependency.name.to_string());
            dependencies.push((dependency, self.read(&path, at, files)?));
        }
        Some(Sources { main, dependencies })
    }

    fn is_served(&self, component: &Component) -> bool {
        self.manifest.served().any(|it| it.id == component.id)
    }

    fn provider(&self, dependency: &Dependency) -> Option<PathBuf> {
        match &dependency.provider {
            Provider::File(path) => Some(path.clone()),
            Provider::Component(id) => self.manifest.component(id).map(|it| it.source.clone()),
        }
    }

    fn check_interface(&self, bytes: &[u8], at: &str, is_served: bool) {
        let mut types = Types::default();
        let package = match Package::from_bytes("component", None, bytes.to_vec(), &mut types) {
            Ok(package) => package,
            Err(e) => return self.faults.report(at, Cause::NotAComponent(format!("{e:#}"))),
        };
        let world = &types[package.ty()];
        // What a library imports may be provided where it is used.
        if !is_served {
            return;
        }
        for (import, kind) in &world.imports {
            let is_known = engine::provides(import) || denied::is_denied(import);
            if !is_known && !is_only_types(&types, *kind) {
                self.faults.report(at, Cause::UnknownImport(import.clone()));
            }
        }
        if !world.exports.keys().any(|it| it.starts_with("wasi:http/handler@0.3.")) {
            let exports = world.exports.keys().cloned().collect::<Vec<_>>().join(", ");
            let cause = format!("exports no wasi:http/handler@0.3, but {exports:?}");
            self.faults.report(at, Cause::Link(cause));
        }
    }

    fn read(&self, path: &Path, at: String, files: &mut Files) -> Option<Rc<File>> {
        if path.as_os_str().is_empty() {
            // That it is not named was reported.
            return None;
        }
        let path = self.manifest.directory.join(path);
        files
            .read(&path)
            .map_err(|e| {
                self.faults.report(at, Cause::Unreadable { path, reason: e.to_string() });
            })
            .ok()
    }

    fn granted(
        &self,
        component: &Component,
        databases: &BTreeMap<String, Arc<Database>>,
        stores: &BTreeMap<String, Arc<KeyValue>>,
    ) -> Granted {
        let (declared, values) = (&self.manifest.variables, &self.variables);
        let hosts = format!("component.{}.allowed_outbound_hosts", component.id);
        Granted {
            id: component.id.clone(),
            databases: only(databases, &component.sqlite_databases),
            stores: only(stores, &component.key_value_stores),
            variables: variables::of_component(component, declared, values, self.faults),
            environment: component.environment.clone().into_iter().collect(),
            files: files::preopens(self.manifest, component, &self.state_dir, self.faults),
            allowed_outbound_hosts: component
                .allowed_outbound_hosts
                .iter()
                .filter_map(|it| variables::fill(it, &hosts, declared, values, self.faults))
                .filter_map(|it| match AllowedHost::parse(&it) {
                    Ok(host) => Some(host),
                    Err(e) => {
                        self.faults.report(&*hosts, Cause::Invalid(e.to_string()));
                        None
                    }
                })
                .collect(),
            memory_limit: self.options.memory_limit,
            application: Weak::new(),
        }
    }

    fn databases(&self) -> BTreeMap<String, Arc<Database>> {
        let is_used = self.manifest.components.iter().any(|it| !it.sqlite_databases.is_empty());
        self.default_label(is_used, "sqlite_db.db", |path| {
            let database = Database::new(path.to_owned(), self.options.request_timeout);
            database.check().map(|()| database)
        })
    }

    fn stores(&self) -> BTreeMap<String, Arc<KeyValue>> {
        let is_used = self.manifest.components.iter().any(|it| !it.key_value_stores.is_empty());
        self.default_label(is_used, "sqlite_key_value.db", KeyValue::open)
    }

    fn default_label<T>(
        &self,
        is_used: bool,
        file: &str,
        open: impl FnOnce(&Path) -> rusqlite::Result<T>,
    ) -> BTreeMap<String, Arc<T>> {
        let path = self.state_dir.join(file);
        if !is_used {
            return BTreeMap::new();
        }
        match open(&path) {
            Ok(it) => BTreeMap::from([("default".to_owned(), Arc::new(it))]),
            Err(e) => {
                self.faults.report("state", Cause::State { path, reason: e.to_string() });
                BTreeMap::new()
            }
        }
    }
}

/// An interface of plain types needs nobody to provide it.
fn is_only_types(types: &Types, kind: ItemKind) -> bool {
    let ItemKind::Instance(interface) = kind else { return false };
    types[interface]
        .exports
        .values()
        .all(|it| matches!(it, ItemKind::Type(ty) if !matches!(ty, Type::Resource(_))))
}

fn only<T>(all: &BTreeMap<String, Arc<T>>, labels: &[String]) -> BTreeMap<String, Arc<T>> {
    labels.iter().filter_map(|it| Some((it.clone(), all.get(it)?.clone()))).collect()
}

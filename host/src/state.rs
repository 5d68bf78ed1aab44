//! What a component is granted, and the state of one instance of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    application::Running,
    files::Preopen,
    key_value::KeyValue,
    outbound::{AllowedHost, Hooks},
    sqlite::Database,
};

/// What one component may touch. The same for all of its instances.
pub(crate) struct Granted {
    pub(crate) id: String,
    pub(crate) databases: BTreeMap<String, Arc<Database>>,
    pub(crate) stores: BTreeMap<String, Arc<KeyValue>>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) files: Vec<Preopen>,
    pub(crate) allowed_outbound_hosts: Vec<AllowedHost>,
    pub(crate) memory_limit: usize,
    /// For requests to the application itself.
    pub(crate) application: Weak<Running>,
}

/// The data of one instance's store.
pub(crate) struct Instance {
    pub(crate) table: ResourceTable,
    pub(crate) component: Arc<Granted>,
    pub(crate) memory: MemoryLimit,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
}

impl Instance {
    pub(crate) fn new(component: Arc<Granted>) -> wasmtime::Result<Self> {
        let mut wasi = WasiCtxBuilder::new();
        // Standard output is for the program that embeds us.
        wasi.stdout(wasmtime_wasi::cli::stderr()).inherit_stderr();
        wasi.envs(&component.environment);
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        for it in &component.files {
            wasi.preopened_dir(&it.directory, &it.guest_path, FsPerms::ReadOnly)?;
        }
        Ok(Self {
            table: ResourceTable::new(),
            memory: MemoryLimit { left: component.memory_limit },
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: Hooks(component.clone()),
            component,
        })
    }
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Bounds the linear memories of one instance together. Past it `memory.grow`
/// fails, upon which a guest usually aborts.
pub(crate) struct MemoryLimit {
    left: usize,
}

/// Entries of one table, far above what a compiler makes.
const MAX_TABLE_ELEMENTS: usize = 100_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let left = self.left.checked_sub(desired.saturating_sub(current));
        self.left = left.unwrap_or(self.left);
        Ok(left.is_some())
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

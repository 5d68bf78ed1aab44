//! The wasmtime engine: pooled instances, and a clock that makes busy guests
//! give way.

use std::{thread, time::Duration};

use wasmtime::component::HasSelf;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker,
};

use crate::{bindings::Imports, state::Instance};

/// A guest that computes gives way to others this often.
const TICK: Duration = Duration::from_millis(10);

/// Room for `instances` instances at once, with as many idle.
pub(crate) fn engine(instances: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    // Inlining compiles three times as long, once per version of a component, and saves each request
    // a twentieth of its time: guests are many small functions in several modules.
    config
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .compiler_inlining(wasmtime::Inlining::Yes)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    let engine = Engine::new(&config)?;
    tick(&engine);
    Ok(engine)
}

fn pool(instances: usize) -> PoolingAllocationConfig {
    let components = u32::try_from(instances).unwrap_or(u32::MAX / 64).clamp(16, 4096) * 2;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(components)
        .total_core_instances(components * 8)
        .total_memories(components * 2)
        .total_tables(components * 4)
        .total_stacks(components * 2)
        .max_core_instances_per_component(256)
        .max_memories_per_component(32)
        .max_tables_per_component(64)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        .table_keep_resident(64 << 10);
    pool
}

/// Advances the epoch until the engine is gone.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    });
}

/// Everything a guest may import, by interface.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    Imports::add_to_linker::<_, HasSelf<Instance>>(&mut linker, |it| it)?;
    Ok(linker)
}

/// Whether [`linker`] provides an interface of this name. Whether it provides
/// this very version is for linking to say.
pub(crate) fn provides(import: &str) -> bool {
    const PACKAGES: [&str; 9] = [
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:filesystem/",
        "wasi:io/",
        "wasi:random/",
        "wasi:sockets/",
        "spin:key-value/key-value@3.",
        "spin:sqlite/sqlite@3.",
        "spin:variables/variables@3.",
    ];
    PACKAGES.iter().any(|it| import.starts_with(it))
        || import.starts_with("wasi:http/types@0.3.")
        || import.starts_with("wasi:http/client@0.3.")
}

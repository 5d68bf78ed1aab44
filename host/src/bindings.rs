//! The host's side of the Spin interfaces in `wit/`, generated.

wasmtime::component::bindgen!({
    path: "wit",
    world: "imports",
    imports: { default: async | trappable },
    with: {
        "spin:sqlite/sqlite.connection": crate::sqlite::Connection,
        "spin:key-value/key-value.store": crate::key_value::Store,
    },
});

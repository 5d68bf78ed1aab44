//! Interfaces that deny everything, for dependencies that are not lent a grant.
//!
//! They go by names of the package namespace `denied`, which no component can
//! import by itself: [`crate::engine::provides`] does not know it. What answers
//! is derived from the types the dependency imports, so every version of an
//! interface is covered. A function without an answer here traps.

use wasmtime::{
    Engine, StoreContextMut,
    component::{
        Component, Linker, LinkerInstance, ResourceType, Val,
        types::{ComponentFunc, ComponentItem, Type},
    },
};

use crate::{
    manifest::{Inherit, Kind},
    state::Instance,
};

const NAMESPACE: &str = "denied:";

/// What belongs to which grant. What is in no row is free to all.
const GRANTED: [(&str, Kind); 6] = [
    ("spin:key-value/", Kind::KeyValueStores),
    ("spin:sqlite/", Kind::SqliteDatabases),
    ("spin:variables/", Kind::Variables),
    ("wasi:cli/environment@", Kind::Environment),
    ("wasi:filesystem/preopens@", Kind::Files),
    ("wasi:http/client@", Kind::AllowedOutboundHosts),
];

/// The name under which `import` is denied, if it is not lent.
///
/// `spin:sqlite/sqlite@3.1.0` becomes `denied:spin-sqlite/sqlite@3.1.0`.
pub(crate) fn rename(import: &str, inherit: &Inherit) -> Option<String> {
    let (_, kind) = GRANTED.iter().find(|(prefix, _)| import.starts_with(prefix))?;
    (!inherit.lends(*kind)).then(|| format!("{NAMESPACE}{}", import.replacen(':', "-", 1)))
}

pub(crate) fn is_denied(import: &str) -> bool {
    import.starts_with(NAMESPACE)
}

/// Provides every denied interface that `component` imports.
pub(crate) fn add_to_linker(
    linker: &mut Linker<Instance>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if !is_denied(name) {
            continue;
        }
        let mut instance = linker.instance(name)?;
        for (name, export) in interface.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(ty) => define(&mut instance, name, &ty)?,
                ComponentItem::Resource(_) => {
                    // There is never one of these to drop.
                    let ty = ResourceType::host::<Denied>();
                    instance.resource(name, ty, |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A resource that is never made.
struct Denied;

fn define(
    instance: &mut LinkerInstance<'_, Instance>,
    name: &str,
    ty: &ComponentFunc,
) -> wasmtime::Result<()> {
    if ty.async_() {
        instance.func_new_concurrent(name, |_, ty, _, results| {
            Box::pin(async move { answer(&ty, results) })
        })
    } else {
        instance
            .func_new(name, |_: StoreContextMut<'_, Instance>, ty, _, results| answer(&ty, results))
    }
}

fn answer(ty: &ComponentFunc, results: &mut [Val]) -> wasmtime::Result<()> {
    for (result, ty) in results.iter_mut().zip(ty.results()) {
        *result = denial(&ty)
            .ok_or_else(|| wasmtime::format_err!("a dependency used what it is not lent"))?;
    }
    Ok(())
}

/// The value of a type that grants nothing: no items, none, or an error.
fn denial(ty: &Type) -> Option<Val> {
    match ty {
        Type::List(_) => Some(Val::List(Vec::new())),
        Type::Option(_) => Some(Val::Option(None)),
        Type::Result(ty) => {
            let error = match ty.err() {
                Some(ty) => Some(Box::new(error(&ty)?)),
                None => None,
            };
            Some(Val::Result(Err(error)))
        }
        _ => None,
    }
}

/// The first of these cases that the error has.
fn error(ty: &Type) -> Option<Val> {
    const CASES: [&str; 3] = ["access-denied", "undefined", "HTTP-request-denied"];
    let Type::Variant(variant) = ty else { return None };
    CASES.iter().find_map(|name| {
        let case = variant.cases().find(|it| it.name == *name)?;
        let payload = match case.ty {
            None => None,
            Some(Type::String) => Some(Box::new(Val::String("not lent to this dependency".into()))),
            Some(_) => return None,
        };
        Some(Val::Variant((*name).into(), payload))
    })
}

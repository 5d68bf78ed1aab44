//! Interfaces that deny everything, for dependencies that are not lent a grant.
//!
//! They go by names of the package namespace `denied`. What answers is derived
//! from the types the dependency imports, so every version of an interface is
//! covered. A function without an answer here traps.

use wasmparser::{BinaryReader, ComponentImportSectionReader};
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

/// Gives the imports of a dependency that would use what it is not lent their
/// denied names.
///
/// It is done to the bytes, before composition: a composition graph takes two
/// imports of one interface for the same, whatever they are connected to.
pub(crate) fn rename_imports(bytes: &[u8], inherit: &Inherit) -> wasmparser::Result<Vec<u8>> {
    const HEADER: usize = 8;
    const IMPORTS: u8 = 10;
    let mut reader = BinaryReader::new(bytes, 0);
    let mut renamed = reader.read_bytes(HEADER)?.to_vec();
    while !reader.eof() {
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()? as usize;
        let section = reader.read_bytes(size)?;
        let section = match id {
            IMPORTS => rename_section(section, inherit)?,
            _ => section.to_vec(),
        };
        renamed.push(id);
        push_sized(&mut renamed, &section);
    }
    Ok(renamed)
}

fn rename_section(section: &[u8], inherit: &Inherit) -> wasmparser::Result<Vec<u8>> {
    let imports = ComponentImportSectionReader::new(BinaryReader::new(section, 0))?;
    let starts: Result<Vec<usize>, _> =
        imports.into_iter_with_offsets().map(|it| it.map(|(start, _)| start)).collect();
    let starts = starts?;
    let Some(first) = starts.first() else { return Ok(section.to_vec()) };
    let mut renamed = section[..*first].to_vec();
    let ends = starts[1..].iter().copied().chain([section.len()]);
    for (start, end) in starts.iter().copied().zip(ends) {
        // An import: a byte that says how it is named, its name, its type.
        let mut import = BinaryReader::new(&section[start..end], start);
        renamed.push(import.read_u8()?);
        let name = import.read_string()?;
        let name = rename(name, inherit).unwrap_or_else(|| name.to_owned());
        push_sized(&mut renamed, name.as_bytes());
        renamed.extend_from_slice(import.read_bytes(import.bytes_remaining())?);
    }
    Ok(renamed)
}

/// Bytes behind their number, as LEB128.
fn push_sized(to: &mut Vec<u8>, bytes: &[u8]) {
    let mut left = bytes.len();
    while left > 0x7f {
        to.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    to.push(left.to_le_bytes()[0]);
    to.extend_from_slice(bytes);
}

/// The name under which `import` is denied, if it is not lent.
///
/// `spin:sqlite/sqlite@3.1.0` becomes `denied:spin-sqlite/sqlite@3.1.0`.
fn rename(import: &str, inherit: &Inherit) -> Option<String> {
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
        let names: Vec<&str> = interface.exports(engine).map(|(name, _)| name).collect();
        for (name, export) in interface.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(ty) => define(&mut instance, name, &ty)?,
                ComponentItem::Resource(_) if has_functions(name, &names) => {
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

/// Whether a resource is of this interface, and not only used by it.
fn has_functions(resource: &str, names: &[&str]) -> bool {
    names.iter().any(|name| {
        let function = name.split_once(']').map(|(_, function)| function);
        function.and_then(|it| it.split('.').next()) == Some(resource)
    })
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

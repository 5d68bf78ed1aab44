//! Compiled components on disk, so that a second start takes milliseconds.
//!
//! An entry is named by the component's content and by what the compiler would
//! do with it, so it never has to be invalidated. Nothing is ever deleted here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// Compiled code, from `directory` if it is there. `compiling` is called before
/// the slow path.
pub(crate) fn compile(
    engine: &Engine,
    bytes: &[u8],
    directory: Option<&Path>,
    compiling: impl FnOnce(),
) -> wasmtime::Result<Component> {
    let Some(directory) = directory else {
        compiling();
        return Component::new(engine, bytes);
    };
    let path = directory.join(name(engine, bytes));
    if let Some(component) = load(engine, &path) {
        return Ok(component);
    }
    compiling();
    let code = engine.precompile_component(bytes)?;
    // A cache that cannot be written costs time, not the start.
    match store(directory, &path, &code).ok().and_then(|()| load(engine, &path)) {
        Some(component) => Ok(component),
        None => Component::new(engine, bytes),
    }
}

fn name(engine: &Engine, bytes: &[u8]) -> PathBuf {
    struct Feed(Sha256);
    impl std::hash::Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(Sha256::new_with_prefix(bytes));
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut feed);
    format!("{:x}.cwasm", feed.0.finalize()).into()
}

/// A file that is damaged is as good as none. Truncation and foreign versions
/// are noticed; who can write into the directory can run code here.
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let (digest, code) = fs::read(path).ok().and_then(|it| {
        let (digest, code) = it.split_first_chunk::<32>()?;
        Some((*digest, code.to_vec()))
    })?;
    if digest != <[u8; 32]>::from(Sha256::digest(&code)) {
        return None;
    }
    #[expect(
        unsafe_code,
        reason = "the file is as this program wrote it, to a directory of its own"
    )]
    // SAFETY: the digest shows what `store` wrote, which is what the compiler made.
    unsafe {
        Component::deserialize(engine, code).ok()
    }
}

fn store(directory: &Path, path: &Path, code: &[u8]) -> io::Result<()> {
    create_private(directory)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut content = Sha256::digest(code).to_vec();
    content.extend_from_slice(code);
    fs::write(&temporary, content)?;
    fs::rename(&temporary, path)
}

/// Makes a directory that only its owner can enter.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

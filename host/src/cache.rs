//! Compiled components on disk, so that a second start takes milliseconds.
//!
//! An entry is named by what it was made of and by what the compiler would do
//! with it, so it never has to be invalidated. Its code is mapped, not read: it
//! costs memory where it runs. Nothing is ever deleted here.

use std::{
    fs,
    hash::{Hash as _, Hasher},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// A place for the compiled form of one component.
pub(crate) struct Entry {
    code: PathBuf,
    checksum: PathBuf,
}

impl Entry {
    /// `content` is all that the component is made of.
    pub(crate) fn new(directory: &Path, engine: &Engine, content: &[u8; 32]) -> Self {
        struct Feed(Sha256);
        impl Hasher for Feed {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }
            fn finish(&self) -> u64 {
                0
            }
        }
        let mut feed = Feed(Sha256::new_with_prefix(content));
        engine.precompile_compatibility_hash().hash(&mut feed);
        let name = format!("{:x}", feed.0.finalize());
        Self {
            code: directory.join(format!("{name}.cwasm")),
            checksum: directory.join(format!("{name}.crc32")),
        }
    }

    /// A file that is damaged is as good as none. Truncation and foreign versions
    /// are noticed; who can write into the directory can run code here.
    pub(crate) fn load(&self, engine: &Engine) -> Option<Component> {
        let noted = fs::read(&self.checksum).ok()?;
        if noted != checksum(&self.code).ok()?.to_le_bytes() {
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "the file is as this program wrote it, to a directory of its own"
        )]
        // SAFETY: the checksum shows what `store` wrote, which is what the compiler made.
        // Entries are replaced by renaming, so what is mapped never changes.
        unsafe {
            Component::deserialize_file(engine, &self.code).ok()
        }
    }

    fn store(&self, code: &[u8]) -> io::Result<()> {
        let directory = self.code.parent().expect("an entry is in a directory");
        create_private(directory)?;
        replace(&self.code, code)?;
        replace(&self.checksum, &crc32fast::hash(code).to_le_bytes())
    }
}

/// Compiles, which takes seconds, and keeps the result in `entry` if there is one.
pub(crate) fn compile(
    engine: &Engine,
    bytes: &[u8],
    entry: Option<&Entry>,
) -> wasmtime::Result<Component> {
    let Some(entry) = entry else { return Component::new(engine, bytes) };
    let code = engine.precompile_component(bytes)?;
    if let Some(component) = entry.store(&code).ok().and_then(|()| entry.load(engine)) {
        return Ok(component);
    }
    // A cache that cannot be written costs memory, not the start.
    #[expect(unsafe_code, reason = "the compiler made it above")]
    // SAFETY: as the reason says.
    unsafe {
        Component::deserialize(engine, &code)
    }
}

fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = fs::File::open(path)?;
    let mut part = vec![0; 256 << 10];
    let mut sum = crc32fast::Hasher::new();
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.finalize()),
            length => sum.update(&part[..length]),
        }
    }
}

/// Several may replace it at once, in this process or in others: each writes a file of its own.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let replaced = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        // What is left of it is of no use.
        drop(fs::remove_file(&temporary));
    }
    replaced
}

/// Makes a directory that only its owner can enter.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_replaces_a_file_at_once_disturbs_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let (code, checksum) = (directory.path().join("x.cwasm"), directory.path().join("x.crc32"));
        std::thread::scope(|scope| {
            for byte in 0..8_u8 {
                let (code, checksum) = (&code, &checksum);
                scope.spawn(move || {
                    for _ in 0..50 {
                        replace(code, &[byte; 4096]).unwrap();
                        replace(checksum, &[byte; 4]).unwrap();
                    }
                });
            }
        });
        for (path, length) in [(&code, 4096), (&checksum, 4)] {
            let content = fs::read(path).unwrap();
            assert!(content.len() == length && content.iter().all(|it| *it == content[0]));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

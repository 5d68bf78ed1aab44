//! The files that components are made of, each read once.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use sha2::{Digest as _, Sha256};

use crate::manifest::Dependency;

/// Part of every digest: changes when [`crate::compose`] makes something else of the same files.
const COMPOSITION: &[u8] = b"composition 1";

#[derive(Default)]
pub(crate) struct Files(BTreeMap<PathBuf, Rc<File>>);

pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    digest: [u8; 32],
}

/// A component and its dependencies, not put together yet.
pub(crate) struct Sources<'a> {
    pub(crate) main: Rc<File>,
    pub(crate) dependencies: Vec<(&'a Dependency, Rc<File>)>,
}

impl Files {
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<Rc<File>> {
        if let Some(file) = self.0.get(path) {
            return Ok(file.clone());
        }
        let bytes = std::fs::read(path)?;
        let digest = Sha256::digest(&bytes).into();
        let file = Rc::new(File { bytes, digest });
        self.0.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

impl Sources<'_> {
    /// Of all that has a part in the composed component.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(COMPOSITION);
        digest.update(self.main.digest);
        for (dependency, file) in &self.dependencies {
            let Dependency { name, provider: _, export, inherit } = dependency;
            let terms = format!("{name} {export:?} {inherit:?}");
            digest.update((terms.len() as u64).to_le_bytes());
            digest.update(terms);
            digest.update(file.digest);
        }
        digest.finalize().into()
    }
}

//! `files` of a component: what a guest may read.
//!
//! A pattern gives the files it matches at their paths relative to the
//! manifest; they are copied into the state directory, so that the guest sees
//! no neighbour of theirs. A directory without anything excluded is lent as it
//! is. Nothing is ever writable, nothing comes from outside the manifest's
//! directory unless an absolute path names it.

mod selection;

use std::{
    fs,
    path::{Component as Part, Path, PathBuf},
};

use selection::{Denied, Excluded, Selection};

use crate::{
    fault::{Cause, Faults},
    manifest::{Component, Manifest, Mount},
};

pub(crate) struct Preopen {
    pub(crate) directory: PathBuf,
    pub(crate) guest_path: String,
}

pub(crate) fn preopens(
    manifest: &Manifest,
    component: &Component,
    state_dir: &Path,
    faults: &Faults,
) -> Vec<Preopen> {
    if component.files.is_empty() {
        return Vec::new();
    }
    let at = format!("component.{}.files", component.id);
    let copies = state_dir.join("files").join(&component.id);
    let place = match Place::new(&manifest.directory, &component.exclude_files, &copies) {
        Ok(place) => place,
        Err(e) => {
            faults.report(at, Cause::Invalid(e.to_string()));
            return Vec::new();
        }
    };
    let mut preopens = Vec::new();
    let mut is_copied = false;
    for mount in &component.files {
        match place.put(mount) {
            Ok(Some(preopen)) => preopens.push(preopen),
            Ok(None) => is_copied = true,
            Err(e) => faults.report(&*at, Cause::Invalid(format!("{}: {e}", source(mount)))),
        }
    }
    if is_copied {
        preopens.push(Preopen { directory: copies, guest_path: "/".into() });
    }
    preopens
}

fn source(mount: &Mount) -> String {
    match mount {
        Mount::Pattern(it) => it.clone(),
        Mount::Directory { source, .. } => source.display().to_string(),
    }
}

/// Where files come from, and where those go that are copied.
struct Place<'a> {
    base: PathBuf,
    excluded: Excluded,
    copies: &'a Path,
}

impl<'a> Place<'a> {
    /// What was copied before is forgotten.
    fn new(directory: &Path, excluded: &[String], copies: &'a Path) -> Result<Self, Denied> {
        let base = directory.canonicalize()?;
        let excluded = Excluded::new(excluded)?;
        if copies.exists() {
            fs::remove_dir_all(copies)?;
        }
        crate::cache::create_private(copies)?;
        Ok(Self { base, excluded, copies })
    }

    /// `None` where it is copied.
    fn put(&self, mount: &Mount) -> Result<Option<Preopen>, Denied> {
        match mount {
            Mount::Pattern(pattern) => {
                let selection = Selection::new(&self.base, pattern)?;
                self.copy(&selection, self.copies, &self.base).map(|()| None)
            }
            Mount::Directory { source, destination } => self.lend(source, destination),
        }
    }

    fn lend(&self, source: &Path, destination: &str) -> Result<Option<Preopen>, Denied> {
        let path = self.base.join(source).canonicalize()?;
        let is_inside = path.starts_with(&self.base);
        if !is_inside && source.is_relative() {
            return Err(Denied::Outside);
        }
        let to = self.copies.join(relative(destination)?);
        if path.is_file() {
            let selection = Selection::of_file(path.clone());
            self.copy_to(&selection, |_| to.clone())?;
            return Ok(None);
        }
        // At the root there may be copies, too.
        if self.excluded.is_empty() && to != self.copies {
            return Ok(Some(Preopen { directory: path, guest_path: destination.to_owned() }));
        }
        if !is_inside {
            return Err(Denied::Outside);
        }
        let selection = Selection::of_directory(&self.base, &path)?;
        self.copy(&selection, &to, &path).map(|()| None)
    }

    /// Files keep their paths relative to `from`.
    fn copy(&self, selection: &Selection, to: &Path, from: &Path) -> Result<(), Denied> {
        self.copy_to(selection, |path| to.join(path.strip_prefix(from).unwrap_or(path)))
    }

    fn copy_to(
        &self,
        selection: &Selection,
        target: impl Fn(&Path) -> PathBuf,
    ) -> Result<(), Denied> {
        for path in &selection.files {
            let relative = path.strip_prefix(&self.base).unwrap_or(path);
            if self.excluded.has(relative) {
                continue;
            }
            let target = target(path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(path, &target)?;
        }
        Ok(())
    }
}

/// A path in the guest, below its root.
fn relative(destination: &str) -> Result<PathBuf, Denied> {
    let path = Path::new(destination.trim_start_matches('/'));
    let is_plain = path.components().all(|it| matches!(it, Part::Normal(_) | Part::CurDir));
    if is_plain { Ok(path.to_owned()) } else { Err(Denied::Outside) }
}

#[cfg(test)]
mod tests;

//! Which files a pattern means, and which are excluded.
//!
//! Patterns are those of Spin: in what is included, `*` and `?` stay within a
//! path segment and `**` spans any number of them; in what is excluded, `*`
//! spans them, too.

use std::{
    fs, io,
    path::{Component as Part, Path, PathBuf},
};

use glob::{MatchOptions, Pattern};

/// Why files are not given to a guest.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("lies outside the application's directory")]
    Outside,
    #[error("does not exist, and is no pattern")]
    Missing,
    #[error("{0:?} is no pattern: {1}")]
    Malformed(String, &'static str),
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

pub(super) struct Excluded(Vec<Pattern>);

impl Excluded {
    pub(super) fn new(patterns: &[String]) -> Result<Self, Denied> {
        patterns.iter().map(|it| parse(it)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path relative to the manifest is excluded.
    pub(super) fn has(&self, relative: &Path) -> bool {
        self.0.iter().any(|it| it.matches_path(relative))
    }
}

fn parse(pattern: &str) -> Result<Pattern, Denied> {
    Pattern::new(pattern.trim_start_matches("./"))
        .map_err(|e| Denied::Malformed(pattern.to_owned(), e.msg))
}

/// Files below `base`, which is canonical.
pub(super) struct Selection {
    pub(super) files: Vec<PathBuf>,
}

impl Selection {
    /// What a pattern, a file or a directory with all that is in it, gives.
    pub(super) fn new(base: &Path, pattern: &str) -> Result<Self, Denied> {
        let pattern = pattern.trim_start_matches("./");
        let is_inside = |it: Part<'_>| matches!(it, Part::Normal(_) | Part::CurDir);
        if !Path::new(pattern).components().all(is_inside) {
            return Err(Denied::Outside);
        }
        let path = base.join(pattern);
        if path.is_dir() {
            return Self::of_directory(base, &path);
        }
        if path.is_file() {
            let mut files = Vec::new();
            walk(base, &path, &mut files)?;
            return Ok(Self { files });
        }
        if !pattern.contains(['*', '?', '[']) {
            return Err(Denied::Missing);
        }
        Self::matching(base, pattern)
    }

    pub(super) fn of_directory(base: &Path, directory: &Path) -> Result<Self, Denied> {
        let mut files = Vec::new();
        walk(base, directory, &mut files)?;
        Ok(Self { files })
    }

    pub(super) fn of_file(file: PathBuf) -> Self {
        Self { files: vec![file] }
    }

    fn matching(base: &Path, pattern: &str) -> Result<Self, Denied> {
        let parsed = parse(pattern)?;
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let literal: PathBuf =
            pattern.split('/').take_while(|it| !it.contains(['*', '?', '['])).collect();
        let start = base.join(literal);
        let mut files = Vec::new();
        if start.exists() {
            walk(base, &start, &mut files)?;
        }
        files.retain(|it| {
            let relative = it.strip_prefix(base).unwrap_or(it);
            parsed.matches_path_with(relative, options)
        });
        Ok(Self { files })
    }
}

/// Every file below `start`. A link counts as what it leads to, but is no way out,
/// and no way into a directory.
fn walk(base: &Path, start: &Path, files: &mut Vec<PathBuf>) -> Result<(), Denied> {
    let mut left = vec![start.to_owned()];
    while let Some(path) = left.pop() {
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if path.is_file() {
            if !path.canonicalize()?.starts_with(base) {
                return Err(Denied::Outside);
            }
            files.push(path);
        }
    }
    Ok(())
}

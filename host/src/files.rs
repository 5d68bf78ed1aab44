//! `files` of a component: directories a guest may read.
//!
//! A pattern gives the files it matches at their paths relative to the
//! manifest; they are copied into the state directory, so that the guest sees
//! no neighbour of theirs. Nothing is ever writable.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

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
    let at = format!("component.{}.files", component.id);
    let mut preopens = Vec::new();
    let mut patterns = Vec::new();
    for mount in &component.files {
        match mount {
            Mount::Pattern(pattern) => patterns.push(pattern.as_str()),
            Mount::Directory { source, destination } => {
                let directory = manifest.directory.join(source);
                if directory.is_dir() {
                    preopens.push(Preopen { directory, guest_path: destination.clone() });
                } else {
                    let reason = "not a directory".into();
                    faults.report(&*at, Cause::Unreadable { path: directory, reason });
                }
            }
        }
    }
    if !patterns.is_empty() {
        let directory = state_dir.join("files").join(&component.id);
        match copy(&manifest.directory, &patterns, &component.exclude_files, &directory) {
            Ok(()) => preopens.push(Preopen { directory, guest_path: "/".into() }),
            Err(e) => {
                let cause = Cause::Unreadable { path: directory, reason: e.to_string() };
                faults.report(&*at, cause);
            }
        }
    }
    preopens
}

fn copy(base: &Path, patterns: &[&str], excluded: &[String], to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    crate::cache::create_private(to)?;
    // A directory stands for all that is in it.
    let whole = |it: &&str| {
        if base.join(it).is_dir() {
            format!("{}/**", it.trim_end_matches('/'))
        } else {
            (*it).to_owned()
        }
    };
    let patterns: Vec<String> = patterns.iter().map(whole).collect();
    for path in walk(base, &patterns)? {
        let relative = path.strip_prefix(base).unwrap_or(&path).to_owned();
        let name = relative.to_string_lossy();
        let is_wanted = patterns.iter().any(|it| matches(it, &name))
            && !excluded.iter().any(|it| matches(it, &name));
        if is_wanted {
            let target = to.join(&relative);
            fs::create_dir_all(target.parent().unwrap_or(to))?;
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Every file below the literal beginnings of the patterns.
fn walk(base: &Path, patterns: &[String]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let literal = |it: &String| {
        let literal: PathBuf = it.split('/').take_while(|it| !it.contains(['*', '?'])).collect();
        base.join(literal)
    };
    let mut left: Vec<PathBuf> = patterns.iter().map(literal).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// `*` and `?` stay within a path segment, `**` spans any number of them.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    matches_segments(&pattern, &path)
}

fn matches_segments(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", tail)), _) => (0..=path.len()).any(|it| matches_segments(tail, &path[it..])),
        (Some((first, tail)), Some((name, rest))) => {
            matches_word(first.as_bytes(), name.as_bytes()) && matches_segments(tail, rest)
        }
        _ => false,
    }
}

fn matches_word(pattern: &[u8], word: &[u8]) -> bool {
    match (pattern.split_first(), word.split_first()) {
        (None, None) => true,
        (Some((b'*', tail)), _) => (0..=word.len()).any(|it| matches_word(tail, &word[it..])),
        (Some((b'?', tail)), Some((_, rest))) => matches_word(tail, rest),
        (Some((a, tail)), Some((b, rest))) => a == b && matches_word(tail, rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
    }

    #[test]
    fn a_star_stays_in_its_segment() {
        check("assets/*.png", "assets/a.png", true);
        check("assets/*.png", "assets/a/b.png", false);
        check("a?c", "abc", true);
    }

    #[test]
    fn two_stars_span_segments() {
        check("assets/**/*", "assets/a.png", true);
        check("assets/**/*.png", "assets/a/b/c.png", true);
        check("**", "a/b", true);
    }

    #[test]
    fn a_name_matches_itself() {
        check("LICENSE", "LICENSE", true);
        check("LICENSE", "a/LICENSE", false);
    }
}

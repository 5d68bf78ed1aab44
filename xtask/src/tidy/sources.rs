//! Rules on source files: how long, how they begin, what they are called, what they may hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

const LONGEST: usize = 400;
const BANNED_NAMES: &[&str] =
    &["mod.rs", "utils.rs", "helpers.rs", "common.rs", "manager.rs", "service.rs"];
const SKIPPED_FOLDERS: &[&str] = &["target", ".git", ".spin", "node_modules"];

pub(super) fn offences(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut offences = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let place = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        offences.extend(in_file(&place, &text));
    }
    Ok(offences)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        // `file_type` does not follow links: a linked build folder is not ours to read.
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.iter().any(|it| name == *it) {
            collect(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn in_file(place: &str, text: &str) -> Vec<String> {
    let mut offences = Vec::new();
    if !text.starts_with("//!") {
        offences.push(format!("{place}: does not open with `//!`, what it is for"));
    }
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text).lines().count();
    let is_test =
        place.starts_with("tests/") || place.contains("/tests/") || place.ends_with("tests.rs");
    if code > LONGEST && !is_test {
        offences.push(format!("{place}: {code} lines, more than {LONGEST}: split it by noun"));
    }
    if let Some(name) = BANNED_NAMES.iter().find(|it| place.ends_with(&format!("/{it}"))) {
        offences.push(format!("{place}: {name} names no noun of the domain"));
    }
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let code = line.split("//").next().unwrap_or(line);
        if code.contains(concat!("#[al", "low(")) || code.contains(concat!("#![al", "low(")) {
            offences.push(format!("{place}:{number}: `expect` with a reason, never `allow`"));
        }
        if code.contains(concat!("#[ig", "nore")) {
            offences.push(format!("{place}:{number}: a test that never runs"));
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::in_file;

    #[track_caller]
    fn check(place: &str, text: &str, expected: &[&str]) {
        let actual = in_file(place, text);
        assert_eq!(actual.len(), expected.len(), "{actual:?}");
        for (actual, expected) in actual.iter().zip(expected) {
            assert!(actual.contains(expected), "{actual}");
        }
    }

    #[test]
    fn a_documented_file_is_tidy() {
        check("crates/a/src/b.rs", "//! What for.\n", &[]);
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        check("crates/a/src/b.rs", "fn f() {}\n", &["`//!`"]);
    }

    #[test]
    fn tests_do_not_count_to_the_length() {
        let code = format!(
            "//! x\n{}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "\n".repeat(390),
            "\n".repeat(300)
        );
        check("crates/a/src/b.rs", &code, &[]);
        check("crates/a/src/b.rs", &format!("//! x\n{}", "\n".repeat(400)), &["401 lines"]);
    }

    #[test]
    fn vague_names_are_refused() {
        check("crates/a/src/utils.rs", "//! x\n", &["utils.rs"]);
    }

    #[test]
    fn lints_are_expected_not_allowed() {
        check("crates/a/src/b.rs", concat!("//! x\n#[al", "low(dead_code)]\n"), &[":2:"]);
    }
}

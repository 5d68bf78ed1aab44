//! What happens before the first request: builds, compilation, its cache.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use host::{Cache, Manifest, Options};
use tempfile::TempDir;

use crate::support::{load, manifest, options};

/// Loads, and says what had to be compiled.
fn compiled(directory: &Path, cache: Cache) -> Vec<String> {
    let compiled = Arc::new(Mutex::new(Vec::new()));
    let seen = compiled.clone();
    let progress = move |it: &host::Progress<'_>| {
        seen.lock().unwrap().push(format!("{} ({}/{})", it.component, it.index, it.total));
    };
    let options = Options { cache, progress: Some(Arc::new(progress)), ..options() };
    load(directory, &manifest("", ""), options).unwrap();
    compiled.lock().unwrap().clone()
}

#[test]
fn a_component_is_compiled_once() {
    let directory = TempDir::new().unwrap();
    assert_eq!(compiled(directory.path(), Cache::InState), ["guest (1/1)"]);
    assert_eq!(compiled(directory.path(), Cache::InState), [""; 0]);
    let cache = directory.path().join(".spin/cache");
    let entries = fs::read_dir(&cache).unwrap().map(|it| it.unwrap().path());
    let is_code = |it: &std::path::PathBuf| it.extension().is_some_and(|it| it == "cwasm");
    let entry = { entries }.find(is_code).unwrap();

    let mut damaged = fs::read(&entry).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&entry, &damaged[..]).unwrap();
    assert_eq!(compiled(directory.path(), Cache::InState), ["guest (1/1)"]);
    fs::write(&entry, &damaged[..100]).unwrap();
    assert_eq!(compiled(directory.path(), Cache::InState), ["guest (1/1)"]);
    assert_eq!(compiled(directory.path(), Cache::InState), [""; 0]);
}

#[test]
fn a_cache_to_read_from_is_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let cache = directory.path().join("cache");
    assert_eq!(compiled(directory.path(), Cache::ReadOnly(cache.clone())), ["guest (1/1)"]);
    assert!(!cache.exists());
    assert_eq!(compiled(directory.path(), Cache::Directory(cache.clone())), ["guest (1/1)"]);
    assert_eq!(compiled(directory.path(), Cache::ReadOnly(cache)), [""; 0]);
}

#[cfg(unix)]
#[test]
fn state_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    load(directory.path(), &manifest("", ""), options()).unwrap();
    let mode = fs::metadata(directory.path().join(".spin")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

fn parse(text: &str, directory: &Path) -> Manifest {
    let head = "spin_manifest_version = 2\napplication = { name = \"x\" }\n";
    Manifest::parse(&format!("{head}{text}"), directory).unwrap()
}

#[test]
fn every_command_runs_once_and_in_order() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("inner")).unwrap();
    let manifest = parse(
        r#"
        [component.z]
        source = "z.wasm"
        build = { command = ["echo one >> log", "echo two >> log"] }
        [component.a]
        source = "a.wasm"
        build = { command = "echo two >> log" }
        [component.b]
        source = "b.wasm"
        build = { command = "echo two >> ../log", workdir = "inner" }
        "#,
        directory.path(),
    );
    let mut commands = Vec::new();
    host::build(&manifest, |it| commands.push(it.to_owned())).unwrap();
    assert_eq!(commands, ["echo one >> log", "echo two >> log", "echo two >> ../log"]);
    assert_eq!(fs::read_to_string(directory.path().join("log")).unwrap(), "one\ntwo\ntwo\n");
}

#[test]
fn a_build_stops_where_it_fails() {
    let directory = TempDir::new().unwrap();
    let manifest = parse(
        r#"
        [component.a]
        source = "a.wasm"
        build = { command = ["exit 3", "touch log"] }
        "#,
        directory.path(),
    );
    let error = host::build(&manifest, |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "\"exit 3\" failed: exit status: 3");
    assert!(!directory.path().join("log").exists());
}

#[test]
fn tools_find_their_tables() {
    let manifest = parse(
        "[component.a]\nsource = \"a.wasm\"\n[component.a.tool.cron]\nexpression = \"* * * * *\"\n",
        Path::new("."),
    );
    let cron = &manifest.component("a").unwrap().tool["cron"];
    assert_eq!(cron["expression"].as_str(), Some("* * * * *"));
}

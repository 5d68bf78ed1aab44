//! What a guest finds, and what it must not.

use tempfile::TempDir;

use super::*;

/// An application's directory with files of these names, each holding its own name.
fn directory(names: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        let path = directory.path().join("app").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    directory
}

/// The paths of all that a guest can read, or what is wrong.
fn seen(directory: &TempDir, files: &str) -> Result<Vec<String>, String> {
    let app = directory.path().join("app");
    let text = format!(
        "spin_manifest_version = 2\napplication = {{ name = \"x\" }}\n\
         [component.a]\nsource = \"a.wasm\"\n{files}\n"
    );
    let manifest = Manifest::parse(&text, &app).unwrap();
    let faults = Faults::default();
    let state = directory.path().join("state");
    let preopens = preopens(&manifest, &manifest.components[0], &state, &faults);
    if let Some(fault) = faults.into_vec().into_iter().next() {
        return Err(fault.to_string());
    }
    let mut seen = Vec::new();
    for it in preopens {
        let mut left = vec![it.directory.clone()];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            } else {
                let below = path.strip_prefix(&it.directory).unwrap().display().to_string();
                seen.push(format!("{}/{below}", it.guest_path.trim_end_matches('/')));
            }
        }
    }
    seen.sort();
    Ok(seen)
}

#[track_caller]
fn check(files: &str, expected: &[&str]) {
    let names = ["LICENSE", "assets/a.txt", "assets/b.png", "assets/deep/c.txt", "secret.txt"];
    assert_eq!(seen(&directory(&names), files).unwrap(), expected, "{files}");
}

#[track_caller]
fn check_denied(files: &str, expected: &str) {
    let directory = directory(&["assets/a.txt"]);
    fs::write(directory.path().join("outside.txt"), "x").unwrap();
    let link = directory.path().join("app/assets/link");
    std::os::unix::fs::symlink(directory.path().join("outside.txt"), link).unwrap();
    let denied = seen(&directory, files).unwrap_err();
    assert!(denied.starts_with("component.a.files: ") && denied.contains(expected), "{denied}");
    let copied = directory.path().join("state/outside.txt");
    assert!(!copied.exists());
}

#[test]
fn a_pattern_gives_what_it_matches() {
    check(r#"files = ["assets/*.txt"]"#, &["/assets/a.txt"]);
    check(r#"files = ["./assets/**/*.txt"]"#, &["/assets/a.txt", "/assets/deep/c.txt"]);
    check(r#"files = ["assets/?.[pt]*"]"#, &["/assets/a.txt", "/assets/b.png"]);
    check(r#"files = ["LICENSE"]"#, &["/LICENSE"]);
    check(r#"files = ["assets/deep"]"#, &["/assets/deep/c.txt"]);
    check(r#"files = ["nothing/*"]"#, &[]);
}

#[test]
fn a_directory_or_a_file_is_put_where_it_is_wanted() {
    check(
        r#"files = [{ source = "assets", destination = "/m" }]"#,
        &["/m/a.txt", "/m/b.png", "/m/deep/c.txt"],
    );
    check(r#"files = [{ source = "LICENSE", destination = "/m/text" }]"#, &["/m/text"]);
    check(
        r#"files = ["LICENSE", { source = "assets/deep", destination = "/" }]"#,
        &["/LICENSE", "/c.txt"],
    );
}

#[test]
fn what_is_excluded_is_nowhere() {
    let mounted = r#"files = [{ source = "assets", destination = "/m" }, "assets"]"#;
    check(
        &format!("{mounted}\nexclude_files = [\"assets/a.txt\"]"),
        &["/assets/b.png", "/assets/deep/c.txt", "/m/b.png", "/m/deep/c.txt"],
    );
    // As in Spin, a star spans segments here.
    check(
        &format!("{mounted}\nexclude_files = [\"assets/*.txt\"]"),
        &["/assets/b.png", "/m/b.png"],
    );
}

#[test]
fn nothing_comes_from_outside() {
    let outside = "lies outside";
    check_denied(r#"files = ["../outside.txt"]"#, outside);
    check_denied(r#"files = ["assets/../../*.txt"]"#, outside);
    check_denied(r#"files = ["assets/*"]"#, outside);
    check_denied(r#"files = [{ source = "..", destination = "/m" }]"#, outside);
    check_denied(r#"files = [{ source = "assets/link", destination = "/m" }]"#, outside);
    check_denied(r#"files = [{ source = "assets/a.txt", destination = "/../../m" }]"#, outside);
}

#[test]
fn what_is_not_there_is_said() {
    check_denied(r#"files = ["assets/b.txt"]"#, "does not exist");
    check_denied(r#"files = [{ source = "none", destination = "/m" }]"#, "No such file");
    check_denied("files = [\"assets\"]\nexclude_files = [\"a[\"]", "is no pattern");
}

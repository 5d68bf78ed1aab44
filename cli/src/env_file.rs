//! The `.env` file: secrets as `SPIN_VARIABLE_…` lines, which Spin reads too.
//!
//! We only ever add lines. The file is readable by its owner alone.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Reads the file; a missing one is empty.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    match fs::read(path) {
        Ok(bytes) => dotenvy::from_read_iter(bytes.as_slice())
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not a list of NAME=value lines", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Adds lines, all or none: a crash leaves the old file or the new one.
pub(crate) fn append(path: &Path, lines: &[(String, String)]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (name, value) in lines {
        text.push_str(&line(name, value));
    }
    replace(path, &text).with_context(|| path.display().to_string())
}

/// One line of the file. Line ends in the value are escaped: a PEM stays one line.
pub(crate) fn line(name: &str, value: &str) -> String {
    let escaped =
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n");
    format!("{name}=\"{escaped}\"\n")
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = draft_beside(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

fn draft_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".draft");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let pem = "-----BEGIN PUBLIC KEY-----\nMCow+/=\n-----END PUBLIC KEY-----\n";
        append(&path, &[("A".into(), pem.into())]).unwrap();
        append(&path, &[("B".into(), r#"back\slash "quoted" $HOME # no comment"#.into())]).unwrap();

        let read = read(&path).unwrap();
        assert_eq!(read["A"], pem);
        assert_eq!(read["B"], r#"back\slash "quoted" $HOME # no comment"#);
    }

    #[test]
    fn lines_of_the_owner_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "# mine\nX=1").unwrap();
        append(&path, &[("Y".into(), "2".into())]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nX=1\nY=\"2\"\n");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "").unwrap();
        append(&path, &[("A".into(), "1".into())]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

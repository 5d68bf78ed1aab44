//! The `.env` file: secrets as `SPIN_VARIABLE_…` lines, which Spin reads too.
//!
//! We only ever add lines. The file is readable by its owner alone.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};

/// Reads the file; a missing one is empty.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    match fs::read(path) {
        Ok(bytes) => dotenvy::from_read_iter(bytes.as_slice())
            .collect::<Result<_, _>>()
            // Its message holds the line, which may be a secret.
            .map_err(|_| anyhow!("{} is not a list of NAME=value lines", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Lets nobody but its owner read the file, whoever made it. Whether anybody else could before.
pub(crate) fn make_private(path: &Path) -> Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match fs::metadata(path) {
            Ok(it) => it.permissions().mode(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let of_others = mode & 0o077;
        if of_others == 0 {
            return Ok(false);
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .with_context(|| format!("{} can be read by others", path.display()))?;
        Ok(true)
    }
    #[cfg(not(unix))]
    Ok(false)
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
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        fs::write(&path, "").unwrap();
        append(&path, &[("A".into(), "1".into())]).unwrap();
        assert_eq!(mode(), 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(make_private(&path).unwrap());
        assert_eq!(mode(), 0o600);
        assert!(!make_private(&path).unwrap());
        assert!(!make_private(&folder.path().join("none")).unwrap());
    }
}

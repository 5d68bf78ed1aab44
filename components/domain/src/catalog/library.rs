//! The test library: a folder that the manifest lets us read (`files`). What is missing, broken or too
//! large is passed over; nothing in it can make a reload fail.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use domain::catalog::{CATEGORIES, Files, LARGEST_FILE, MOST_TESTS, Test, is_test};

pub(super) const ROOT: &str = "/library/tests_source";

/// Each test with its id, which is its folder's name. Of several with one id the last counts.
pub(super) fn scan(root: &Path) -> Vec<(String, Test)> {
    let mut found: Vec<(String, Test)> = Vec::new();
    for category in CATEGORIES {
        for (id, folder) in folders(&root.join(category)) {
            let Some(test) = read(category, &id, &folder) else { continue };
            match found.iter().position(|(known, _)| known.eq_ignore_ascii_case(&id)) {
                Some(known) => found[known] = (id, test),
                None if found.len() < MOST_TESTS => found.push((id, test)),
                None => return found,
            }
        }
    }
    found
}

/// By name; none where there is no such category, or none that can be read.
fn folders(category: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(category) else { return Vec::new() };
    let test = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
        (is_folder && is_test(&name)).then(|| (name, entry.path()))
    };
    // One more, so that a library that is too large is cut off the same way each time.
    let mut tests: Vec<_> = entries.take(10 * MOST_TESTS).filter_map(test).collect();
    tests.sort_unstable();
    tests.truncate(MOST_TESTS);
    tests
}

/// `None` for a test with a file that cannot be read.
fn read(category: &str, id: &str, folder: &Path) -> Option<Test> {
    let source = text(&folder.join(format!("{id}.go")))?;
    let readme = text(&folder.join("README.md"))?;
    let card = text(&folder.join(format!("{id}_info.md")))?;
    let files =
        Files { source: source.as_deref(), readme: readme.as_deref(), card: card.as_deref() };
    Some(Test::read(category, files))
}

/// Nothing inside where there is no such file; `None` where it is too large or no text.
#[expect(clippy::option_option, reason = "absent and broken are not the same")]
fn text(path: &Path) -> Option<Option<String>> {
    let Ok(file) = File::open(path) else { return Some(None) };
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).ok()?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|it| it <= LARGEST_FILE);
    String::from_utf8(bytes).ok().filter(|_| fits).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00000000-0000-4000-8000-000000000001";
    const TWO: &str = "00000000-0000-4000-8000-000000000002";

    /// A folder that goes with the test.
    struct Library(PathBuf);

    impl Library {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("library-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            self
        }

        fn names(&self) -> Vec<(String, String, String)> {
            let tests = scan(&self.0).into_iter();
            tests.map(|(id, it)| (id, it.category, it.name)).collect()
        }
    }

    impl Drop for Library {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn named(name: &str) -> String {
        format!("/*\nID: ffffffff-0000-4000-8000-000000000009\nNAME: {name}\n*/")
    }

    // A12 180, 182, 186, 187
    #[test]
    fn a_test_is_a_folder_of_a_category() {
        let library = Library::new("folders");
        library
            .write(&format!("cyber-hygiene/{ONE}/{ONE}.go"), named("one"))
            .write("cyber-hygiene/README.md", "no test")
            .write("cyber-hygiene/lab_assets/x.go", named("no uuid"))
            .write(&format!("elsewhere/{TWO}/{TWO}.go"), named("no category"))
            .write(&format!("{TWO}/{TWO}.go"), named("no folder"));
        let expected = (ONE.to_owned(), "cyber-hygiene".to_owned(), "one".to_owned());
        assert_eq!(library.names(), [expected]);
        // Scanning again sees what is there then.
        fs::remove_dir_all(library.0.join("cyber-hygiene")).unwrap();
        assert!(library.names().is_empty());
    }

    // A12 181, 183, 185, 189
    #[test]
    fn what_is_not_there_is_empty() {
        assert!(scan(Path::new("/nowhere/at/all")).is_empty());
        let library = Library::new("empty");
        library.write("mitre-top10", "a file in place of a category");
        assert!(library.names().is_empty());
        library.write(&format!("phase-aligned/{ONE}/x.dll"), "nothing that is read");
        let expected = (ONE.to_owned(), "phase-aligned".to_owned(), String::new());
        assert_eq!(library.names(), [expected]);
    }

    // A12 184
    #[test]
    fn a_broken_test_keeps_no_other_from_the_catalog() {
        let library = Library::new("broken");
        let large = vec![b' '; usize::try_from(LARGEST_FILE).unwrap() + 1];
        library
            .write(&format!("cyber-hygiene/{ONE}/README.md"), b"\xff\xfe")
            .write(&format!("intel-driven/{ONE}/{ONE}_info.md"), large)
            .write(&format!("mitre-top10/{TWO}/{TWO}.go"), named("two"));
        let expected = (TWO.to_owned(), "mitre-top10".to_owned(), "two".to_owned());
        assert_eq!(library.names(), [expected]);
    }

    #[test]
    fn of_several_with_one_id_the_last_counts() {
        let library = Library::new("several");
        let upper = "ABCDEF00-0000-4000-8000-000000000001";
        let lower = upper.to_lowercase();
        library
            .write(&format!("cyber-hygiene/{upper}/{upper}.go"), named("first"))
            .write(&format!("phase-aligned/{lower}/{lower}.go"), named("last"));
        assert_eq!(library.names(), [(lower, "phase-aligned".to_owned(), "last".to_owned())]);
    }
}

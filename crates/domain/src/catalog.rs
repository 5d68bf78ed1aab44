//! What the files of a test library say of a test (fleet.md §6.11, console.md 3.5.3).
//!
//! Pure: texts in, values out. Keys stand at the beginning of a line and values on the same line, so
//! that `GUID:` is no `ID:` and an empty value takes nothing from the next line. The folder is the
//! test's id and category, whatever the files say. Nothing here can fail: what is not said is empty.

mod header;
mod markdown;
#[cfg(test)]
mod tests;

/// The categories, in the order of console.md 3.5.1; a test that is in several is that of the last.
pub const CATEGORIES: [&str; 4] = ["cyber-hygiene", "intel-driven", "mitre-top10", "phase-aligned"];

/// A catalog has no more tests.
pub const MOST_TESTS: usize = 2000;

/// A file that is larger is not read.
pub const LARGEST_FILE: u64 = 1024 * 1024;

/// Of a value and of a list; the bounds of metadata in a request.
const LONGEST: usize = 255;
const MOST_ITEMS: usize = 256;

/// The texts of a test's files; `None` where there is no such file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'a> {
    /// `<uuid>.go`.
    pub source: Option<&'a str>,
    /// `README.md`.
    pub readme: Option<&'a str>,
    /// `<uuid>_info.md`.
    pub card: Option<&'a str>,
}

/// fleet.md §4.5, `TestMetadata`, with the test's name. Empty is what nobody says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Test {
    pub name: String,
    pub category: String,
    pub subcategory: String,
    pub severity: String,
    pub techniques: Vec<String>,
    pub tactics: Vec<String>,
    pub threat_actor: String,
    pub target: Vec<String>,
    pub complexity: String,
    pub tags: Vec<String>,
    /// 0 to 10.
    pub score: Option<f64>,
    pub integrations: Vec<String>,
}

/// Whether a folder of this name is a test: a UUID in any case.
pub fn is_test(folder: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    folder.len() == 36
        && folder
            .bytes()
            .enumerate()
            .all(|(i, it)| if dashes.contains(&i) { it == b'-' } else { it.is_ascii_hexdigit() })
}

impl Test {
    /// Later files win; techniques are those of all files.
    pub fn read(category: &str, files: Files<'_>) -> Self {
        let mut test = files.source.map(header::read).unwrap_or_default();
        if let Some(readme) = files.readme {
            test.score = markdown::readme_score(readme);
            add(&mut test.techniques, markdown::techniques(readme));
        }
        if let Some(card) = files.card {
            if let Some(severity) = markdown::severity(card) {
                test.severity = severity;
            }
            test.score = markdown::card_score(card).or(test.score);
            add(&mut test.techniques, markdown::attack(card));
        }
        category.clone_into(&mut test.category);
        test
    }
}

/// Without what is there already, and no more than a list holds.
fn add(list: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for it in more.into_iter().take(4 * MOST_ITEMS) {
        if list.len() < MOST_ITEMS && !list.contains(&it) {
            list.push(it);
        }
    }
}

/// As it may be stored and shown: trimmed, without control characters, of bounded length.
fn clean(value: &str) -> String {
    let shown = value.trim().chars().filter(|it| !it.is_control());
    let mut length = 0;
    let fits = |it: &char| {
        length += it.len_utf16();
        length <= LONGEST
    };
    shown.take_while(fits).collect::<String>().trim_end().to_owned()
}

/// The parts between commas, without empty ones and repetitions.
fn list(value: &str) -> Vec<String> {
    let mut items = Vec::new();
    add(&mut items, value.split(',').map(clean).filter(|it| !it.is_empty()));
    items
}

/// The first word, in lower case.
fn word(value: &str) -> String {
    let end = value.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(value.len());
    clean(&value[..end].to_lowercase())
}

/// A number from 0 to 10, as a score is written.
fn score(text: &str) -> Option<f64> {
    let is_plain = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let score = text.parse::<f64>().ok().filter(|_| is_plain)?;
    (0.0..=10.0).contains(&score).then_some(score)
}

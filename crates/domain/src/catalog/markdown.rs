//! What a test's README and its info card say.
//!
//! Both spellings of the library are read: `**Key**: value` and the table row `| **Key** | value |`;
//! `**T1055**: text` and `- **T1055** - text`.

use super::{list, score, word};

/// `**Test Score**: **9.4/10**`.
pub(super) fn readme_score(readme: &str) -> Option<f64> {
    out_of_ten(value(readme, "Test Score")?.trim_matches('*'))
}

/// `## Test Score: 9.4/10`.
pub(super) fn card_score(card: &str) -> Option<f64> {
    let heading = |line: &str| {
        let text = line.strip_prefix("##")?.trim_start();
        out_of_ten(text.strip_prefix("Test Score:")?.trim())
    };
    card.lines().find_map(heading)
}

/// `**Severity**: high`.
pub(super) fn severity(card: &str) -> Option<String> {
    let severity = word(value(card, "Severity")?);
    (!severity.is_empty()).then_some(severity)
}

/// `**MITRE ATT&CK**: T1003, T1055`.
pub(super) fn attack(card: &str) -> Vec<String> {
    value(card, "MITRE ATT&CK").map(list).unwrap_or_default()
}

/// Techniques in bold at the beginning of a line: `**T1055**: text`, `**Stage 1 - T1055.001**: text`.
pub(super) fn techniques(readme: &str) -> Vec<String> {
    readme.lines().filter_map(technique).collect()
}

fn technique(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).unwrap_or(line);
    let (bold, rest) = line.strip_prefix("**")?.split_once("**")?;
    let is_headline =
        rest.starts_with(':') || [" - ", " – ", " — "].iter().any(|it| rest.starts_with(it));
    let id = match bold.strip_prefix("Stage ") {
        Some(stage) => stage.split_once(" - ")?.1,
        None => bold,
    };
    (is_headline && is_technique(id)).then(|| id.to_owned())
}

/// `T1234` or `T1234.567`.
fn is_technique(id: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|it| it.is_ascii_digit());
    match id.strip_prefix('T').map(|it| it.split_once('.').unwrap_or((it, ""))) {
        Some((main, sub)) => digits(main, 4) && (digits(sub, 3) || !id.contains('.')),
        None => false,
    }
}

/// The first value of `**Key**: value` or `| **Key** | value |` that is not empty.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = |line: &'a str| {
        let line = line.trim_start();
        let (row, in_table) = match line.strip_prefix('|') {
            Some(row) => (row.trim_start(), true),
            None => (line.strip_prefix("- ").unwrap_or(line), false),
        };
        let rest = row.strip_prefix("**")?.strip_prefix(key)?.strip_prefix("**")?.trim_start();
        let value = if in_table {
            rest.strip_prefix('|')?.split('|').next()?.trim()
        } else {
            rest.strip_prefix(':')?.trim()
        };
        (!value.is_empty()).then_some(value)
    };
    text.lines().find_map(value)
}

fn out_of_ten(text: &str) -> Option<f64> {
    score(text.split_once("/10")?.0.trim())
}

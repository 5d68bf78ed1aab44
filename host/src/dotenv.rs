//! `.env` files: `NAME=value` lines, of which we want `SPIN_VARIABLE_…`.
//!
//! Quotes, comments and `export` are understood; `$NAME` is not expanded.

use std::collections::BTreeMap;

pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    Some((name.to_owned(), unquote(value.trim())))
}

fn unquote(value: &str) -> String {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.split('\'').next().unwrap_or_default().to_owned();
    }
    let Some(rest) = value.strip_prefix('"') else {
        return value.split(" #").next().unwrap_or_default().trim_end().to_owned();
    };
    let mut text = String::new();
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn lines_are_read() {
        check("A=1\n\n# B=2\nexport C = 3 \nno value\n", &[("A", "1"), ("C", "3")]);
    }

    #[test]
    fn quotes_are_taken_off() {
        check(r#"A="x \"y\"\n# z""#, &[("A", "x \"y\"\n# z")]);
        check("A='x # \\n'", &[("A", "x # \\n")]);
    }

    #[test]
    fn a_base64_value_keeps_its_padding() {
        check("A=YQ==", &[("A", "YQ==")]);
    }

    #[test]
    fn a_comment_after_a_bare_value_is_dropped() {
        check("A=1 # one", &[("A", "1")]);
        check("A=1#one", &[("A", "1#one")]);
    }
}

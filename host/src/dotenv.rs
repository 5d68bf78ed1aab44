//! `.env` files: `NAME=value` lines, of which we want `SPIN_VARIABLE_…`.
//!
//! Read by the same crate as Spin does, so that both see the same values.

use std::collections::BTreeMap;

/// It tells nothing of the line, which may hold a secret.
#[derive(Debug, thiserror::Error)]
#[error("a line is not NAME=value, or a quote is not closed")]
pub(crate) struct Garbled;

/// Where a line refers to a name, the process environment wins over the lines before it.
///
/// A line that is not understood is an error: its secret would be another, or none.
pub(crate) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, Garbled> {
    dotenvy::from_read_iter(bytes).collect::<Result<_, _>>().map_err(|_| Garbled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        assert_eq!(parse(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn lines_are_read() {
        check("A=1\n\n# B=2\nexport C = 3 \nD=YQ==\n", &[("A", "1"), ("C", "3"), ("D", "YQ==")]);
    }

    #[test]
    fn quotes_may_span_lines() {
        check("A=\"x \\\"y\\\"\\n\n# z\"\nB='1'", &[("A", "x \"y\"\n\n# z"), ("B", "1")]);
    }

    #[test]
    fn names_of_other_lines_are_filled_in() {
        check(
            "QWERTZA=1\nB=$QWERTZA-${QWERTZA}\nC='$QWERTZA'\nD=\\$QWERTZA",
            &[("QWERTZA", "1"), ("B", "1-1"), ("C", "$QWERTZA"), ("D", "$QWERTZA")],
        );
    }

    #[test]
    fn a_quote_that_stays_open_is_an_error() {
        assert!(parse(b"A=\"1\nB=2\n").is_err());
    }
}

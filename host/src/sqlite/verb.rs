//! What a statement does, as far as its first word tells.

/// Whether a statement changes rows and does nothing else. `None` where only `SQLite` can tell.
pub(super) fn changes_rows(sql: &str) -> Option<bool> {
    let word = first_word(sql);
    let is = |other: &str| word.eq_ignore_ascii_case(other);
    if is("WITH") {
        return None;
    }
    Some(["DELETE", "INSERT", "REPLACE", "UPDATE"].into_iter().any(is))
}

/// Whether a statement inserts rows, or would if they were not there.
pub(super) fn inserts(sql: &str) -> bool {
    let word = first_word(sql);
    ["INSERT", "REPLACE", "WITH"].into_iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Whether a statement may ask what the statement before it changed.
pub(super) fn asks_for_changes(sql: &str) -> bool {
    holds(sql, "changes") || holds(sql, "last_insert_rowid")
}

/// In upper or lower case.
fn holds(sql: &str, word: &str) -> bool {
    let first = word.as_bytes()[0];
    sql.as_bytes()
        .windows(word.len())
        .any(|it| it[0].to_ascii_lowercase() == first && it.eq_ignore_ascii_case(word.as_bytes()))
}

/// After white space and comments.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start();
        let comment = match rest.get(..2) {
            Some("--") => rest.split_once('\n'),
            Some("/*") => rest.split_once("*/"),
            _ => break,
        };
        rest = comment.map_or("", |(_, after)| after);
    }
    let end = rest.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_tells() {
        for (sql, expected) in [
            ("UPDATE t SET a = 1", Some(true)),
            ("  -- one\n/* two */insert into t values (1)", Some(true)),
            ("delete from t", Some(true)),
            ("REPLACE INTO t VALUES (1)", Some(true)),
            ("WITH x AS (SELECT 1) DELETE FROM t", None),
            ("SELECT 1", Some(false)),
            ("BEGIN", Some(false)),
            ("PRAGMA synchronous = OFF", Some(false)),
            ("updates", Some(false)),
            ("/* without an end UPDATE", Some(false)),
            ("-", Some(false)),
            ("ä", Some(false)),
            ("", Some(false)),
        ] {
            assert_eq!(changes_rows(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_asks_for_changes_is_known_by_its_words() {
        for (sql, expected) in [
            ("SELECT changes()", true),
            ("SELECT Total_CHANGES ()", true),
            ("INSERT INTO t VALUES (LAST_insert_rowid())", true),
            ("INSERT INTO t VALUES (change)", false),
            ("", false),
        ] {
            assert_eq!(asks_for_changes(sql), expected, "{sql}");
        }
    }
}

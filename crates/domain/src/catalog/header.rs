//! The head of a test's source: the first block comment, one `KEY: value` per line; and the name among
//! the constants where the head has none.

use super::{Test, clean, list, word};

pub(super) fn read(source: &str) -> Test {
    let head = Head(comment(source));
    let mut techniques = head.list("TECHNIQUES");
    if techniques.is_empty() {
        techniques = head.list("TECHNIQUE");
    }
    let mut tactics = head.list("TACTICS");
    if tactics.is_empty() {
        tactics = head.list("TACTIC");
    }
    let threat_actor = head.text("THREAT_ACTOR");
    let integrations = head.list("INTEGRATIONS").into_iter().map(|it| it.to_lowercase());
    let name = head.text("NAME");
    Test {
        name: if name.is_empty() { constant(source, "TEST_NAME") } else { name },
        category: String::new(),
        subcategory: head.text("SUBCATEGORY"),
        severity: head.word("SEVERITY"),
        techniques,
        tactics,
        threat_actor: if is_nobody(&threat_actor) { String::new() } else { threat_actor },
        target: head.list("TARGET"),
        complexity: head.word("COMPLEXITY"),
        tags: head.list("TAGS").into_iter().filter(|it| it.len() <= LONGEST_TAG).collect(),
        score: None,
        integrations: integrations.filter(|it| it != "none").collect(),
    }
}

/// As in metadata of requests.
const LONGEST_TAG: usize = 64;

fn is_nobody(actor: &str) -> bool {
    actor.eq_ignore_ascii_case("n/a")
}

/// The inside of the first block comment; one that does not end says nothing.
fn comment(source: &str) -> &str {
    let Some((_, rest)) = source.split_once("/*") else { return "" };
    rest.split_once("*/").map_or("", |(inside, _)| inside)
}

struct Head<'a>(&'a str);

impl Head<'_> {
    /// The first value of a key that is not empty. Its line may begin with a star.
    fn value(&self, key: &str) -> &str {
        let value = |line| {
            let line: &str = str::trim_start(line);
            let line = line.strip_prefix('*').map_or(line, str::trim_start);
            let name = line.get(..key.len()).filter(|it| it.eq_ignore_ascii_case(key))?;
            let value = line[name.len()..].strip_prefix(':')?.trim();
            (!value.is_empty()).then_some(value)
        };
        self.0.lines().find_map(value).unwrap_or_default()
    }

    fn text(&self, key: &str) -> String {
        clean(self.value(key))
    }

    fn word(&self, key: &str) -> String {
        word(self.value(key))
    }

    fn list(&self, key: &str) -> Vec<String> {
        list(self.value(key))
    }
}

/// `NAME = "…"` in the first block of constants.
fn constant(source: &str, name: &str) -> String {
    let Some((_, block)) = source.split_once("const (") else { return String::new() };
    let block = block.split_once("\n)").map_or(block, |(inside, _)| inside);
    let value = |line: &str| {
        let rest = line.trim_start().strip_prefix(name)?.trim_start().strip_prefix('=')?;
        let quoted = rest.trim_start().strip_prefix('"')?;
        quoted.split_once('"').map(|(value, _)| clean(value))
    };
    block.lines().find_map(value).unwrap_or_default()
}

//! Query strings: plain `key=value` pairs. What the console's stack would read as a list or an object
//! is refused where one value is expected (D-11).

use std::{borrow::Cow, cell::RefCell, fmt::Display};

use serde_json::{Map, Value, json};

use serde::de::DeserializeOwned;

use crate::{Problem, cursor};

/// The pairs of a query, decoded.
#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
    /// Where nothing is read but what is asked for: each key with its JSON Schema.
    asked: Option<RefCell<Map<String, Value>>>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub limit: u32,
    pub offset: u32,
}

impl Page {
    pub const LARGEST: u32 = 500;
    const FURTHEST: u32 = 1 << 31;
}

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(key, value)| key.contains('\0') || value.contains('\0')) {
            Some((key, _)) => Err(Problem::invalid(
                key.replace('\0', "\u{fffd}"),
                "Invalid input: NUL is not allowed",
            )),
            None => Ok(Self { pairs, asked: None }),
        }
    }

    /// What a reader asks of a query, each key with its JSON Schema. It must not stop at the first
    /// key that is absent.
    pub fn outline<T>(read: impl FnOnce(&Self) -> Result<T, Problem>) -> Map<String, Value> {
        let query = Self { pairs: Vec::new(), asked: Some(RefCell::default()) };
        let _ = read(&query);
        query.asked.map(RefCell::into_inner).unwrap_or_default()
    }

    /// In place of what was noted of the key. Components describe nothing.
    fn note(&self, name: &str, schema: impl FnOnce() -> Value) {
        if cfg!(target_arch = "wasm32") {
            return;
        }
        if let Some(asked) = &self.asked {
            asked.borrow_mut().insert(name.to_owned(), schema());
        }
    }

    /// The value of a key that may be given once; an empty value counts as none.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let wrong = |received| {
            Err(Problem::invalid(
                name,
                format!("Invalid input: expected string, received {received}"),
            ))
        };
        self.note(name, || json!({ "type": "string" }));
        let mut found = None;
        for (key, value) in &self.pairs {
            match key.strip_prefix(name) {
                Some("") if found.is_some() => return wrong("array"),
                Some("") => found = Some(value.as_str()),
                Some(rest) if rest.starts_with("[]") => return wrong("array"),
                Some(rest) if rest.starts_with('[') => return wrong("object"),
                Some(_) | None => {}
            }
        }
        Ok(found.filter(|it| !it.is_empty()))
    }

    /// An owned [`Query::one`].
    pub fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        Ok(self.one(name)?.map(str::to_owned))
    }

    /// One of these words, where one is given.
    pub fn word(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Problem> {
        let given = self.one(name)?;
        self.note(name, || json!({ "enum": words }));
        match given {
            Some(text) if !words.contains(&text) => {
                let words: Vec<_> = words.iter().map(|it| format!("\"{it}\"")).collect();
                let message = format!("Invalid option: expected one of {}", words.join("|"));
                Err(Problem::invalid(name, message))
            }
            other => Ok(other),
        }
    }

    /// `limit` (0–500) and `offset`.
    pub fn page(&self, usual_limit: u32) -> Result<Page, Problem> {
        Ok(Page {
            limit: self.number("limit", 0, Page::LARGEST)?.unwrap_or(usual_limit),
            offset: self.number("offset", 0, Page::FURTHEST)?.unwrap_or(0),
        })
    }

    /// The key of the last row that the caller has seen: see [`cursor`].
    pub fn cursor<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        self.one("cursor")?.map(cursor::decode).transpose()
    }

    /// A whole number between two bounds, where one is given.
    pub fn whole(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Problem> {
        self.number(name, least, most)
    }

    fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Problem> {
        let given = self.one(name)?;
        self.note(name, || json!({ "type": "integer", "minimum": least, "maximum": most }));
        let Some(text) = given else { return Ok(None) };
        let invalid = |message: Cow<'static, str>| Err(Problem::invalid(name, message));
        let too = |size: &str, sign: &str, bound: &dyn Display| {
            invalid(format!("Too {size}: expected number to be {sign}{bound}").into())
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
            return invalid("Invalid input: expected number, received NaN".into());
        }
        let is_zero = digits.bytes().all(|it| it == b'0');
        let number = if is_zero { Ok(0) } else { text.parse::<u32>() };
        match number {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            Ok(number) if number < least => too("small", ">=", &least),
            Err(_) if text.starts_with('-') => too("small", ">=", &least),
            Ok(_) | Err(_) => too("big", "<=", &most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    fn refusal<T>(result: Result<T, Problem>) -> String {
        let Err(problem) = result else { panic!("accepted") };
        String::from_utf8(problem.into_response().bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_key_is_given_once() {
        assert_eq!(query("a=x%20y&b=2").one("a").unwrap(), Some("x y"));
        assert_eq!(query("ab=1").one("a").unwrap(), None);
        assert_eq!(query("a=").one("a").unwrap(), None);
        for (text, received) in [
            ("a=1&a=2", "array"),
            ("a[]=1", "array"),
            ("a[b]=1", "object"),
            ("a%5Bb%5D=1", "object"),
        ] {
            assert!(
                refusal(query(text).one("a"))
                    .contains(&format!("a: Invalid input: expected string, received {received}"))
            );
        }
        assert!(Query::parse("a=%00").is_err());
    }

    #[test]
    fn what_is_asked_is_described_as_it_is_taken() {
        let asked = Query::outline(|query| {
            query.whole("n", 1, 9)?;
            query.word("format", &["csv", "json"]).map(drop)
        });
        assert_eq!(asked["n"], json!({ "type": "integer", "minimum": 1, "maximum": 9 }));
        assert_eq!(asked["format"], json!({ "enum": ["csv", "json"] }));
        assert_eq!(query("format=csv").word("format", &["csv"]).unwrap(), Some("csv"));
        let refused = refusal(query("format=xml").word("format", &["csv", "json"]));
        assert!(refused.contains(r#"format: Invalid option: expected one of \"csv\"|\"json\""#));
        for (text, message) in [("n=0", ">=1"), ("n=-0", ">=1"), ("n=-7", ">=1"), ("n=10", "<=9")] {
            assert!(refusal(query(text).whole("n", 1, 9)).contains(message), "{text}");
        }
        assert_eq!(query("n=001").whole("n", 1, 9).unwrap(), Some(1));
    }

    #[test]
    fn a_page_has_bounds() {
        assert_eq!(query("").page(50).unwrap(), Page { limit: 50, offset: 0 });
        assert_eq!(query("limit=0&offset=20").page(50).unwrap(), Page { limit: 0, offset: 20 });
        assert_eq!(query("limit=500").page(50).unwrap().limit, 500);
        for (text, message) in [
            ("limit=abc", "limit: Invalid input: expected number, received NaN"),
            ("limit=10abc", "limit: Invalid input: expected number, received NaN"),
            ("limit=-1", "limit: Too small: expected number to be >=0"),
            ("limit=501", "limit: Too big: expected number to be <=500"),
            ("offset=99999999999999999999", "offset: Too big: expected number to be <=2147483648"),
        ] {
            assert!(refusal(query(text).page(50)).contains(message), "{text}");
        }
    }
}

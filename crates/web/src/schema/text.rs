//! What a string may be.

use serde_json::{Value, json};

use crate::Issue;
use crate::schema::issue;

/// Bounds in UTF-16 units, which is what the documented messages count.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    empty: Option<&'static str>,
    most: usize,
    /// NUL becomes U+FFFD instead of an issue: for text that must never be lost.
    repaired: bool,
}

impl Text {
    /// Any text up to a length, the empty one included.
    pub const fn any(most: usize) -> Self {
        Self { empty: None, most, repaired: false }
    }

    /// At least one character.
    pub const fn filled(most: usize) -> Self {
        Self::required(most, "Too small: expected string to have >=1 characters")
    }

    /// At least one character, with a message of its own.
    pub const fn required(most: usize, empty: &'static str) -> Self {
        Self { empty: Some(empty), most, repaired: false }
    }

    /// Whatever fits into the body. What the database cannot hold is replaced.
    pub const fn free() -> Self {
        Self { empty: None, most: usize::MAX, repaired: true }
    }

    /// [`Text::free`] up to a length.
    pub const fn note(most: usize) -> Self {
        Self { empty: None, most, repaired: true }
    }

    pub(super) fn outline(self) -> Value {
        let mut schema = json!({ "type": "string" });
        if self.empty.is_some() {
            schema["minLength"] = json!(1);
        }
        if self.most != usize::MAX {
            schema["maxLength"] = json!(self.most);
        }
        if !self.repaired {
            schema["pattern"] = json!(r"^[^\u0000]*$");
        }
        schema
    }

    pub(super) fn check(
        self,
        text: String,
        path: impl FnOnce() -> String,
        issues: &mut Vec<Issue>,
    ) -> String {
        // UTF-16 units are never more than bytes, so counting is rarely needed.
        if text.len() > self.most && text.encode_utf16().count() > self.most {
            issues.push(issue(
                path(),
                format!("Too big: expected string to have <={} characters", self.most),
            ));
            return String::new();
        }
        match self.empty {
            Some(message) if text.is_empty() => issues.push(issue(path(), message)),
            _ if !text.contains('\0') => {}
            _ if self.repaired => return text.replace('\0', "\u{fffd}"),
            _ => issues.push(issue(path(), "Invalid input: expected string without NUL")),
        }
        text
    }
}

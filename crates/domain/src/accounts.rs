//! People whom no identity provider vouches for: what an account is made of, and what it may not be.

use crate::{
    passwords::{self, Weakness},
    secrets::Secret,
};

/// Characters of a name.
const LONGEST_NAME: usize = 200;
/// RFC 5321 §4.5.3.1, bytes.
const LONGEST_ADDRESS: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;

/// An address in lower case, so that one mailbox is one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// A name that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// What somebody would like to be.
#[derive(Debug, Clone)]
pub struct Wish {
    pub email: Option<String>,
    pub name: Option<String>,
    pub password: Option<Secret>,
}

/// A wish that can come true.
#[derive(Debug, Clone)]
pub struct Draft {
    pub email: Email,
    pub name: Name,
    pub password: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Email,
    Name,
    Password,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Absent, or no text at all.
    Missing,
    InvalidEmail,
    Empty,
    TooLong,
    Weak(Weakness),
}

impl Wish {
    /// Every field that cannot stay, in the order of the fields.
    pub fn check(self) -> Result<Draft, Vec<(Field, Flaw)>> {
        let email = self.email.ok_or(Flaw::Missing).and_then(|it| Email::parse(&it));
        let name = self.name.ok_or(Flaw::Missing).and_then(|it| Name::parse(&it));
        let password = self.password.ok_or(Flaw::Missing).and_then(acceptable);
        match (email, name, password) {
            (Ok(email), Ok(name), Ok(password)) => Ok(Draft { email, name, password }),
            (email, name, password) => {
                let flaws = [
                    email.err().map(|it| (Field::Email, it)),
                    name.err().map(|it| (Field::Name, it)),
                    password.err().map(|it| (Field::Password, it)),
                ];
                Err(flaws.into_iter().flatten().collect())
            }
        }
    }
}

/// A password that may be had.
pub fn acceptable(password: Secret) -> Result<Secret, Flaw> {
    passwords::check(&password).map_err(Flaw::Weak)?;
    Ok(password)
}

impl Email {
    /// One `@` between a local part and a domain with a dot, all of it visible. Whether anybody
    /// reads mail there only a mail can tell.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let (local, domain) = text.split_once('@').ok_or(Flaw::InvalidEmail)?;
        let is_visible = |it: char| !it.is_whitespace() && !it.is_control();
        let is_label = |it: &str| {
            (1..=63).contains(&it.len())
                && !it.starts_with('-')
                && !it.ends_with('-')
                && it.chars().all(|it| it.is_alphanumeric() || it == '-')
        };
        let fits = text.len() <= LONGEST_ADDRESS
            && (1..=LONGEST_LOCAL_PART).contains(&local.len())
            && local.chars().all(|it| is_visible(it) && !"\"<>()[]\\,;:".contains(it))
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && domain.contains('.')
            && domain.split('.').all(is_label);
        if fits { Ok(Self(text.to_lowercase())) } else { Err(Flaw::InvalidEmail) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let text = text.trim();
        match text.chars().count() {
            0 => Err(Flaw::Empty),
            length if length > LONGEST_NAME => Err(Flaw::TooLong),
            _ if text.chars().any(char::is_control) => Err(Flaw::Missing),
            _ => Ok(Self(text.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn email(text: &str, expected: Option<&str>) {
        let parsed = Email::parse(text).ok();
        assert_eq!(parsed.as_ref().map(Email::as_str), expected, "{text}");
    }

    #[test]
    fn an_address_is_taken_in_lower_case() {
        email("Ada@Example.Org", Some("ada@example.org"));
        email("a.b+c@x-y.example.org", Some("a.b+c@x-y.example.org"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "ada@@example.org",
            "a da@example.org",
            "ada@exa mple.org",
            "ada@.example.org",
            "ada@example..org",
            ".ada@example.org",
            "a..b@example.org",
            "ada@example.org\0",
            "ada@-a.org",
            "<ada>@example.org",
            "ada@example.org\r\nBcc: x@y.z",
        ] {
            email(text, None);
        }
        email(&format!("{}@example.org", "a".repeat(65)), None);
        email(&format!("a@{}.org", "b.".repeat(130)), None);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wish = Wish {
            email: Some("nobody".into()),
            name: Some(" ".into()),
            password: Some(Secret::new("password1".into())),
        };
        assert_eq!(
            wish.check().unwrap_err(),
            [
                (Field::Email, Flaw::InvalidEmail),
                (Field::Name, Flaw::Empty),
                (Field::Password, Flaw::Weak(Weakness::Common)),
            ]
        );
        let nothing = Wish { email: None, name: None, password: None };
        assert_eq!(nothing.check().unwrap_err().len(), 3);
    }

    #[test]
    fn a_name_is_trimmed_and_visible() {
        assert_eq!(Name::parse(" Ada Lovelace ").unwrap().as_str(), "Ada Lovelace");
        assert_eq!(Name::parse("a\nb"), Err(Flaw::Missing));
        assert_eq!(Name::parse(&"x".repeat(201)), Err(Flaw::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,80}") {
            let _ = Email::parse(&text);
            let _ = Name::parse(&text);
        }
    }
}

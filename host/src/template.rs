//! Templates over variables, as `https://{{ api_host }}/users`.
//!
//! There is no escape: a value that holds `{{` comes from a variable.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("a {{{{ is not closed in {0:?}")]
    Unclosed(String),
    #[error("a }}}} was never opened in {0:?}")]
    Unopened(String),
    #[error("{0:?} is not the name of a variable")]
    Name(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once("{{") {
            push_literal(&mut parts, literal, text)?;
            let (name, tail) =
                tail.split_once("}}").ok_or_else(|| TemplateError::Unclosed(text.into()))?;
            let name = name.trim();
            if !crate::variables::is_name(name) {
                return Err(TemplateError::Name(name.into()));
            }
            parts.push(Part::Variable(name.into()));
            rest = tail;
        }
        push_literal(&mut parts, rest, text)?;
        Ok(Self(parts))
    }

    pub(crate) fn is_literal(&self) -> bool {
        self.variables().next().is_none()
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Fills in the variables, or names the first that has no value.
    pub(crate) fn resolve(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Ok(text.as_str()),
                Part::Variable(name) => values.get(name).map(String::as_str).ok_or(name.clone()),
            })
            .collect()
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &str, text: &str) -> Result<(), TemplateError> {
    if literal.contains("}}") {
        return Err(TemplateError::Unopened(text.into()));
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let values = BTreeMap::from([("host".into(), "example.com".into())]);
        let actual = Template::parse(text).unwrap().resolve(&values);
        assert_eq!(actual.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn variables_are_filled_in() {
        check("https://{{ host }}/{{host}}", Ok("https://example.com/example.com"));
        check("plain", Ok("plain"));
        check("", Ok(""));
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        check("{{ port }}", Err("port"));
    }

    #[test]
    fn braces_must_pair() {
        assert_eq!(Template::parse("a {{ b"), Err(TemplateError::Unclosed("a {{ b".into())));
        assert_eq!(Template::parse("a }} b"), Err(TemplateError::Unopened("a }} b".into())));
        assert_eq!(Template::parse("{{ A-b }}"), Err(TemplateError::Name("A-b".into())));
    }
}

//! Which component answers a path.
//!
//! A pattern is made of literal segments and `:name` segments, and may end in
//! `/...`. Segment by segment a literal beats a name beats the wildcard, so the
//! longest literal prefix wins. One slash at the end of a path does not matter.

use std::cmp::Ordering;

use crate::manifest::{HttpTrigger, Route as Pattern};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("a wildcard \"...\" stands only as the last segment, in {0:?}")]
    Wildcard(String),
    #[error("a segment \":\" has no name, in {0:?}")]
    Unnamed(String),
    #[error("a route is an absolute path, not {0:?}")]
    NotAPath(String),
}

/// Finds who answers a path: the longest match, as in Spin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router(Vec<Route>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) pattern: String,
    pub(crate) component: String,
    segments: Vec<Segment>,
    is_open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Named(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Match<'r, 'p> {
    pub(crate) route: &'r Route,
    /// What the wildcard stands for, with its leading slash.
    pub(crate) rest: &'p str,
    pub(crate) named: Vec<(&'r str, &'p str)>,
}

/// Whether a pattern can be understood.
pub(crate) fn check(pattern: &str) -> Result<(), RouteError> {
    Route::parse(pattern, "").map(drop)
}

impl Route {
    fn parse(pattern: &str, component: &str) -> Result<Self, RouteError> {
        if pattern.contains(['?', '#']) {
            return Err(RouteError::NotAPath(pattern.into()));
        }
        let (path, is_open) = match pattern.strip_suffix("/...").or(pattern.strip_suffix("/*")) {
            Some(path) => (path, true),
            None => (pattern, false),
        };
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|it| !it.is_empty()) {
            segments.push(match segment.strip_prefix(':') {
                Some("") => return Err(RouteError::Unnamed(pattern.into())),
                Some(name) => Segment::Named(name.into()),
                None if segment == "..." || segment == "*" => {
                    return Err(RouteError::Wildcard(pattern.into()));
                }
                None => Segment::Literal(segment.into()),
            });
        }
        Ok(Self { pattern: pattern.into(), component: component.into(), segments, is_open })
    }

    /// The route of a request that was sent to a component, not to a path.
    pub(crate) fn to_component(id: &str) -> Self {
        let (pattern, component) = ("/...".into(), id.into());
        Self { pattern, component, segments: Vec::new(), is_open: true }
    }

    /// The pattern without its wildcard.
    pub(crate) fn prefix(&self) -> &str {
        self.pattern.strip_suffix("/...").unwrap_or(&self.pattern)
    }

    pub(crate) fn match_path<'r, 'p>(&'r self, path: &'p str) -> Option<Match<'r, 'p>> {
        let mut rest = path;
        let mut named = Vec::new();
        for segment in &self.segments {
            let tail = rest.strip_prefix('/')?;
            let end = tail.find('/').unwrap_or(tail.len());
            let (found, tail) = tail.split_at(end);
            match segment {
                Segment::Literal(literal) if literal == found => {}
                Segment::Named(name) if !found.is_empty() => named.push((name.as_str(), found)),
                _ => return None,
            }
            rest = tail;
        }
        if !self.is_open && !matches!(rest, "" | "/") {
            return None;
        }
        Some(Match { route: self, rest: if self.is_open { rest } else { "" }, named })
    }

    fn order(&self, other: &Self) -> Ordering {
        fn rank(segment: &Segment) -> bool {
            matches!(segment, Segment::Named(_))
        }
        let segments = self.segments.iter().map(rank).zip(other.segments.iter().map(rank));
        segments
            .map(|(a, b)| a.cmp(&b))
            .find(|it| it.is_ne())
            .unwrap_or_else(|| other.segments.len().cmp(&self.segments.len()))
            .then(self.is_open.cmp(&other.is_open))
    }
}

impl Router {
    /// A pattern given twice belongs to the last trigger that gives it.
    pub fn new(triggers: &[HttpTrigger]) -> Result<Self, RouteError> {
        let mut routes: Vec<Route> = Vec::new();
        for trigger in triggers {
            let Pattern::Path(pattern) = &trigger.route else { continue };
            let route = Route::parse(pattern, &trigger.component)?;
            routes.retain(|it| (&it.segments, it.is_open) != (&route.segments, route.is_open));
            routes.push(route);
        }
        routes.sort_by(Route::order);
        Ok(Self(routes))
    }

    pub(crate) fn find<'r, 'p>(&'r self, path: &'p str) -> Option<Match<'r, 'p>> {
        self.0.iter().find_map(|route| route.match_path(path))
    }

    /// The patterns and their components, most specific first.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|it| (it.pattern.as_str(), it.component.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(patterns: &[&str]) -> Router {
        let trigger =
            |it: &&str| HttpTrigger { route: Pattern::Path((*it).into()), component: (*it).into() };
        Router::new(&patterns.iter().map(trigger).collect::<Vec<_>>()).unwrap()
    }

    #[track_caller]
    fn check_find(patterns: &[&str], path: &str, expected: Option<(&str, &str)>) {
        let router = router(patterns);
        let found = router.find(path).map(|it| (it.route.pattern.as_str(), it.rest));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn the_longest_prefix_wins() {
        let patterns = &["/...", "/a/...", "/a/b/...", "/a/b"];
        check_find(patterns, "/", Some(("/...", "/")));
        check_find(patterns, "/z", Some(("/...", "/z")));
        check_find(patterns, "/a", Some(("/a/...", "")));
        check_find(patterns, "/a/", Some(("/a/...", "/")));
        check_find(patterns, "/a/c/", Some(("/a/...", "/c/")));
        check_find(patterns, "/a/b", Some(("/a/b", "")));
        check_find(patterns, "/a/b/c", Some(("/a/b/...", "/c")));
        check_find(patterns, "/ab", Some(("/...", "/ab")));
    }

    #[test]
    fn a_literal_beats_a_name() {
        let patterns = &["/u/:id", "/u/me", "/u/:id/x", "/u/me/..."];
        check_find(patterns, "/u/me", Some(("/u/me", "")));
        check_find(patterns, "/u/you", Some(("/u/:id", "")));
        check_find(patterns, "/u/me/x", Some(("/u/me/...", "/x")));
        check_find(patterns, "/u/you/x", Some(("/u/:id/x", "")));
    }

    #[test]
    fn names_are_captured() {
        let router = router(&["/u/:id/:what/..."]);
        let found = router.find("/u/7/x/y").unwrap();
        assert_eq!(found.named, [("id", "7"), ("what", "x")]);
        assert!(router.find("/u//x").is_none());
    }

    #[test]
    fn an_exact_route_ignores_one_slash_at_the_end() {
        check_find(&["/a"], "/a/", Some(("/a", "")));
        check_find(&["/a"], "/a//", None);
        check_find(&["/"], "/", Some(("/", "")));
    }

    #[test]
    fn a_wildcard_stands_only_at_the_end() {
        assert_eq!(check("/a/.../b"), Err(RouteError::Wildcard("/a/.../b".into())));
        assert_eq!(check("/a/:/b"), Err(RouteError::Unnamed("/a/:/b".into())));
        assert_eq!(check("/a?b"), Err(RouteError::NotAPath("/a?b".into())));
    }

    #[test]
    fn the_last_of_two_equal_patterns_wins() {
        let trigger =
            |id: &str| HttpTrigger { route: Pattern::Path("/a/...".into()), component: id.into() };
        let router = Router::new(&[trigger("first"), trigger("second")]).unwrap();
        assert_eq!(router.find("/a/b").unwrap().route.component, "second");
    }
}

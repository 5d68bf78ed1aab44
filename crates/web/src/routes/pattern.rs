//! Patterns of paths: literal segments and `{parameters}`.

use percent_encoding::percent_decode_str;

use crate::Problem;

pub(super) struct Pattern {
    pub(super) text: &'static str,
    segments: Vec<Segment>,
}

enum Segment {
    Literal(&'static str),
    Parameter(&'static str),
}

impl Pattern {
    pub(super) fn new(text: &'static str) -> Self {
        let segments = segments(text).map(|it| {
            match it.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some(name) => Segment::Parameter(name),
                None => Segment::Literal(it),
            }
        });
        Self { text, segments: segments.collect() }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        let mut parts = segments(path);
        let fits = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Literal(expected), Some(part)) => part.eq_ignore_ascii_case(expected),
            (Segment::Parameter(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        fits && parts.next().is_none()
    }

    /// The parameters of a path that matches.
    pub(super) fn parameters(&self, path: &str) -> Result<Vec<(&'static str, String)>, Problem> {
        let pairs = self.segments.iter().zip(segments(path));
        let parameters = pairs.filter_map(|(segment, part)| match segment {
            Segment::Parameter(name) => Some((*name, part)),
            Segment::Literal(_) => None,
        });
        parameters.map(|(name, part)| Ok((name, decode(part)?))).collect()
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_start_matches('/');
    path.strip_suffix('/').unwrap_or(path).split('/')
}

fn decode(raw: &str) -> Result<String, Problem> {
    let refused = || Problem::bad_request(format!("Failed to decode param '{raw}'"));
    let well_formed = raw
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|it| it.is_ascii_hexdigit()));
    let text = percent_decode_str(raw).decode_utf8().map_err(|_| refused())?;
    if well_formed && !text.contains('\0') { Ok(text.into_owned()) } else { Err(refused()) }
}

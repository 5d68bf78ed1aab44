//! `Authorization: Bearer …`, as people send it, and comparing of secrets in constant time.

use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The token of the only `Authorization` header; the scheme in any case (RFC 9110).
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(only), None) = (sent.next(), sent.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether two secrets are equal. Takes as long for any pair, and any bytes are fine.
pub fn matches(presented: &[u8], expected: &[u8]) -> bool {
    Sha256::digest(presented).ct_eq(&Sha256::digest(expected)).into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(sent: &[&'static [u8]], expected: Option<&str>) {
        let headers: HeaderMap = sent
            .iter()
            .map(|it| (header::AUTHORIZATION, HeaderValue::from_bytes(it).unwrap()))
            .collect();
        assert_eq!(token(&headers), expected);
    }

    #[test]
    fn a_token_follows_its_scheme() {
        check(&[b"Bearer a.b.c"], Some("a.b.c"));
        check(&[b"bearer a.b.c"], Some("a.b.c"));
        check(&[b"Bearer "], None);
        check(&[b"Basic a.b.c"], None);
        check(&[b"a.b.c"], None);
        check(&["Bearer é".as_bytes()], None);
        check(&[b"Bearer a", b"Bearer b"], None);
        check(&[], None);
    }

    #[test]
    fn secrets_match_only_as_a_whole() {
        assert!(matches(b"s3cret", b"s3cret"));
        assert!(!matches(b"s3cre", b"s3cret"));
        assert!(!matches("s3cré".as_bytes(), b"s3cret"));
    }
}

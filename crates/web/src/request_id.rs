//! The name of a request in our log: the caller's own, where it has one, so that two logs can be joined.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::HeaderMap;

/// A valid `X-Request-Id`, else the trace id of a valid `traceparent`, else a new one.
pub(crate) fn of(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let sent = text("x-request-id").filter(|it| is_plain(it));
    let traced = || text("traceparent").and_then(trace_id);
    sent.or_else(traced).map_or_else(fresh, str::to_owned)
}

fn is_plain(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.:/+=".contains(&it))
}

/// W3C Trace Context: `version-traceid-parentid-flags`, of which an all-zero trace id is invalid.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut fields = traceparent.split('-');
    let (version, id, parent) = (fields.next()?, fields.next()?, fields.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let valid = hex(version, 2)
        && version != "ff"
        && hex(id, 32)
        && hex(parent, 16)
        && fields.next().is_some();
    (valid && id.bytes().any(|it| it != b'0')).then_some(id)
}

/// Random for each instance and counted within it: asking the host for randomness costs a call.
fn fresh() -> String {
    static INSTANCE: LazyLock<u64> = LazyLock::new(random);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:016x}", *INSTANCE, COUNT.fetch_add(1, Relaxed))
}

#[cfg(target_family = "wasm")]
fn random() -> u64 {
    spin_sdk::wasip3::random::random::get_random_u64()
}

/// Outside a component nobody reads the log.
#[cfg(not(target_family = "wasm"))]
fn random() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::HeaderValue;

    use super::*;

    fn id(sent: &[(&'static str, &'static str)]) -> String {
        let headers = sent
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        of(&headers.collect())
    }

    #[track_caller]
    fn check(sent: &[(&'static str, &'static str)], expected: &str) {
        assert_eq!(id(sent), expected);
    }

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_callers_own_id_is_taken_over() {
        check(&[("x-request-id", "req-7.a"), ("traceparent", TRACE)], "req-7.a");
        check(&[("traceparent", TRACE)], "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let mut seen = BTreeSet::new();
        for sent in [
            &[("x-request-id", "a b")][..],
            &[("x-request-id", "\"}")],
            &[("x-request-id", "")],
            &[("traceparent", zero)],
            &[("traceparent", "garbage")],
            &[],
        ] {
            let new = id(sent);
            assert!(new.len() == 32 && new.bytes().all(|it| it.is_ascii_hexdigit()), "{new}");
            assert!(seen.insert(new), "{sent:?}");
        }
    }
}

//! Where a request comes from, for the record and as a limiter's key (fleet.md §10.6).
//!
//! A client can send `spin-client-addr` itself; the host appends its own, so only the last counts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

/// Whoever's address nobody says.
pub(crate) const UNKNOWN: &str = "unknown";

/// Behind `trusted_proxies` proxies, the n-th entry of `X-Forwarded-For` from the right; without
/// any, or where the header is shorter than that, the peer.
pub(crate) fn of(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let forwarded = trusted_proxies.checked_sub(1).and_then(|skipped| {
        let lists = headers.get_all("x-forwarded-for").into_iter().rev();
        lists.flat_map(|list| list.to_str().unwrap_or("").rsplit(',')).nth(skipped)
    });
    let peer = || {
        headers.get_all("spin-client-addr").into_iter().next_back().and_then(|it| it.to_str().ok())
    };
    forwarded.or_else(peer).and_then(address)
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
        .or_else(bracketed)
}

/// IPv4 as it is, also inside IPv6; other IPv6 as its /56, which is what one customer is given.
pub fn normalised(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/56", Ipv6Addr::new(a, b, c, d & 0xff00, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn addresses_are_normalised() {
        for (sent, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("2001:db8:abcd:12::1", "2001:db8:abcd::/56"),
            ("2001:db8:abcd:12::ffff", "2001:db8:abcd::/56"),
            ("2001:db8:abcd:1ff::1", "2001:db8:abcd:100::/56"),
            ("::1", "::/56"),
        ] {
            assert_eq!(normalised(sent.parse().unwrap()), expected);
        }
    }

    #[track_caller]
    fn check(trusted: usize, sent: &[(&'static str, &'static str)], expected: &str) {
        let headers = sent
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let found = of(&headers.collect(), trusted);
        assert_eq!(found.map_or_else(|| UNKNOWN.to_owned(), |it| it.to_string()), expected);
    }

    #[test]
    fn the_hosts_own_word_is_the_last_one() {
        check(
            0,
            &[("spin-client-addr", "6.6.6.6:1"), ("spin-client-addr", "203.0.113.7:50522")],
            "203.0.113.7",
        );
        check(0, &[("spin-client-addr", "[2001:db8::1]:443")], "2001:db8::1");
        check(0, &[("x-forwarded-for", "6.6.6.6")], "unknown");
        check(0, &[("spin-client-addr", "nonsense")], "unknown");
    }

    #[test]
    fn proxies_are_counted_from_the_right() {
        let forwarded = ("x-forwarded-for", "6.6.6.6, 198.51.100.1");
        let peer = ("spin-client-addr", "10.0.0.1:80");
        check(1, &[forwarded, peer], "198.51.100.1");
        check(2, &[forwarded, peer], "6.6.6.6");
        check(2, &[forwarded, ("x-forwarded-for", "192.0.2.9"), peer], "198.51.100.1");
        check(3, &[forwarded, peer], "10.0.0.1");
    }
}

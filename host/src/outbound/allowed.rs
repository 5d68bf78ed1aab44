//! `allowed_outbound_hosts`: `scheme://host[:port]`, each with wildcards.

use std::{net::IpAddr, ops::Range};

use http::Uri;

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    /// `None` is any scheme.
    scheme: Option<String>,
    host: Host,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// `self`: routes of this application.
    Itself,
    /// `.example.com` of `*.example.com`.
    Subdomain(String),
    Name(String),
    Network(IpAddr, u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    Any,
    Range(Range<u16>),
    One(u16),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowedHostError {
    #[error("{0:?} has no scheme, as http:// or *://")]
    Scheme(String),
    #[error("{0:?} has a path, only scheme, host and port are compared")]
    Path(String),
    #[error("{0:?}: a wildcard stands only for a whole host or as *.domain")]
    Wildcard(String),
    #[error("{0:?} has no port that can be understood")]
    Port(String),
}

impl AllowedHost {
    pub fn parse(text: &str) -> Result<Self, AllowedHostError> {
        let (scheme, rest) =
            text.trim().split_once("://").ok_or_else(|| AllowedHostError::Scheme(text.into()))?;
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphabetic());
        if scheme != "*" && !is_scheme {
            return Err(AllowedHostError::Scheme(text.into()));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (rest, ""),
        };
        let host = Host::parse(host, text)?;
        let port = match Port::parse(port, scheme) {
            Some(port) => port,
            // This application has no port to tell apart.
            None if host == Host::Itself && port.is_empty() => Port::Any,
            None => return Err(AllowedHostError::Port(text.into())),
        };
        Ok(Self { port, host, scheme: (scheme != "*").then(|| scheme.to_ascii_lowercase()) })
    }

    /// Whether a request to `uri` may leave.
    pub fn allows(&self, uri: &Uri) -> bool {
        let scheme = uri.scheme_str().unwrap_or("https");
        let Some(port) = uri.port_u16().or_else(|| well_known(scheme)) else { return false };
        self.allows_scheme(scheme)
            && uri.host().is_some_and(|host| self.host.allows(host))
            && match &self.port {
                Port::Any => true,
                Port::Range(range) => range.contains(&port),
                Port::One(it) => *it == port,
            }
    }

    /// Whether requests to this application itself may be made.
    pub fn allows_itself(&self) -> bool {
        matches!(self.host, Host::Any | Host::Itself)
            && (self.allows_scheme("http") || self.allows_scheme("https"))
    }

    fn allows_scheme(&self, scheme: &str) -> bool {
        self.scheme.as_deref().is_none_or(|it| it == scheme)
    }
}

impl Host {
    fn parse(host: &str, text: &str) -> Result<Self, AllowedHostError> {
        if let Some(network) = network(host) {
            return Ok(network);
        }
        match host {
            "*" => Ok(Host::Any),
            "self" | "self.alt" => Ok(Host::Itself),
            _ if host.contains('/') => Err(AllowedHostError::Path(text.into())),
            _ => match host.strip_prefix('*') {
                Some(domain) if domain.starts_with('.') && !domain.contains('*') => {
                    Ok(Host::Subdomain(domain.to_ascii_lowercase()))
                }
                None if !host.contains('*') && !host.is_empty() => {
                    Ok(Host::Name(host.to_ascii_lowercase()))
                }
                _ => Err(AllowedHostError::Wildcard(text.into())),
            },
        }
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match self {
            Host::Any => true,
            Host::Itself => false,
            Host::Subdomain(suffix) => host.ends_with(suffix),
            Host::Name(name) => *name == host,
            Host::Network(address, length) => {
                address_of(&host).is_some_and(|it| same_network(it, *address, *length))
            }
        }
    }
}

impl Port {
    fn parse(port: &str, scheme: &str) -> Option<Self> {
        match port {
            "" => well_known(scheme).map(Port::One),
            "*" => Some(Port::Any),
            _ => match port.split_once("..") {
                Some((first, end)) => Some(Port::Range(first.parse().ok()?..end.parse().ok()?)),
                None => port.parse().ok().map(Port::One),
            },
        }
    }
}

fn well_known(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "mqtt" => Some(1883),
        "mysql" => Some(3306),
        "postgres" => Some(5432),
        "redis" => Some(6379),
        _ => None,
    }
}

/// `10.0.0.0/8`, or one address.
fn network(host: &str) -> Option<Host> {
    let (address, length) = match host.split_once('/') {
        Some((address, length)) => (address_of(address)?, Some(length.parse().ok()?)),
        None => (address_of(host)?, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(most);
    (length <= most).then_some(Host::Network(address, length))
}

fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn same_network(a: IpAddr, b: IpAddr, length: u8) -> bool {
    let (a, b) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u128::from(a.to_bits()) << 96, u128::from(b.to_bits()) << 96)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
        _ => return false,
    };
    length == 0 || (a ^ b) >> (128 - u32::from(length)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entry: &str, uri: &str, expected: bool) {
        let uri = uri.parse().unwrap();
        assert_eq!(AllowedHost::parse(entry).unwrap().allows(&uri), expected, "{entry} {uri}");
    }

    #[test]
    fn scheme_host_and_port_must_agree() {
        check("https://api.example.com", "https://api.example.com/x", true);
        check("https://api.example.com", "https://API.example.com:443/x", true);
        check("https://api.example.com", "http://api.example.com/x", false);
        check("https://api.example.com", "https://api.example.com:444/x", false);
        check("https://api.example.com", "https://api.example.com.evil.net/", false);
        check("http://localhost:8000..8010", "http://localhost:8009/", true);
        check("http://localhost:8000..8010", "http://localhost:8010/", false);
    }

    #[test]
    fn wildcards_widen() {
        check("*://*:*", "https://anything:1/", true);
        check("https://*.example.com", "https://a.b.example.com/", true);
        check("https://*.example.com", "https://example.com/", false);
        check("https://*.example.com", "https://badexample.com/", false);
    }

    #[test]
    fn networks_hold_addresses() {
        check("http://10.0.0.0/8:80", "http://10.1.2.3/", true);
        check("http://10.0.0.0/8:80", "http://11.1.2.3/", false);
        check("http://127.0.0.1:99", "http://127.0.0.1:99/", true);
        check("http://[::1]:99", "http://[::1]:99/", true);
    }

    #[test]
    fn itself_is_not_a_host_of_the_network() {
        assert!(AllowedHost::parse("*://self").unwrap().allows_itself());
        let itself = AllowedHost::parse("http://self").unwrap();
        assert!(itself.allows_itself());
        assert!(!itself.allows(&"http://self/".parse().unwrap()));
        assert!(!AllowedHost::parse("http://example.com").unwrap().allows_itself());
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for entry in ["example.com", "http://a/b", "http://a*b", "http://a:x", "ldap://a", "*://a"]
        {
            assert!(AllowedHost::parse(entry).is_err(), "{entry}");
        }
    }
}

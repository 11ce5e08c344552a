//! Where may be sent to.
//!
//! An endpoint is a URL that a client names, so it could be meant for a service that only this machine reaches. It has to be at a public address, and
//! to speak TLS. A name is judged by the addresses that it has when the connection is made: those that are not public are not tried.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::net::client::Resolver;

/// Bytes of an endpoint at most; those of the large push services have some 200 to 500.
pub const MAX_ENDPOINT: usize = 2048;

/// Why nothing is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// Not a URL, or one with a name and a password in it.
    #[error("it is no URL of a service")]
    Url,
    /// Longer than [`MAX_ENDPOINT`].
    #[error("it has more than {MAX_ENDPOINT} bytes")]
    Long,
    /// Without TLS.
    #[error("it does not begin with https://")]
    Clear,
    /// Not a public address.
    #[error("it is at an address that is not public")]
    Private,
}

/// An endpoint, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The host; an IPv6 address has brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port, as the field `Host` has them.
    pub authority: String,
    /// The path, with the query.
    pub target: String,
}

impl Endpoint {
    /// Takes a URL apart. Without `allow_private` it has to speak TLS, and not be at an address that is not public.
    ///
    /// # Errors
    /// It must not be used.
    pub fn parse(url: &str, allow_private: bool) -> Result<Self, BadEndpoint> {
        if url.len() > MAX_ENDPOINT {
            return Err(BadEndpoint::Long);
        }
        let uri: Uri = url.parse().map_err(|_| BadEndpoint::Url)?;
        let authority = uri.authority().ok_or(BadEndpoint::Url)?;
        let (tls, usual) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") if allow_private => (false, 80),
            Some("http") => return Err(BadEndpoint::Clear),
            _ => return Err(BadEndpoint::Url),
        };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(BadEndpoint::Url);
        }
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if !allow_private && (bare.parse().is_ok_and(|address| !is_public(address)) || is_local(bare)) {
            return Err(BadEndpoint::Private);
        }
        let port = match authority.port_u16() {
            Some(0) => return Err(BadEndpoint::Url),
            port => port.unwrap_or(usual),
        };
        let authority = if port == usual { host.clone() } else { format!("{host}:{port}") };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { tls, host, port, authority, target })
    }

    /// The origin (RFC 6454): whom a token is for.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// Names of this machine (RFC 6761, section 6.3), and numbers in forms that only some resolvers take for addresses.
fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    let number =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    last == "localhost" || number && host.parse::<Ipv4Addr>().is_err()
}

/// Whether an address is one of the public Internet: by the registries of special addresses (RFC 6890 and what came after).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // Mapped to IPv4, and compatible with it.
        (0, 0) if (c, d, e) == (0, 0, 0) && matches!(f, 0 | 0xffff) => f == 0xffff && inner(g, h),
        // Translated to IPv4 (RFC 6052), and 6to4 (RFC 3056).
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && inner(g, h),
        (0x2002, _) => inner(b, c),
        // Teredo, benchmarks, ORCHID, documentation.
        (0x2001, 0..=0x01ff | 0x0db8) => false,
        (0x3fff, 0..=0x0fff) => false,
        // All that is given out so far is in 2000::/3.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

/// Looks names up as the system does; without `allow_private`, only public addresses are found.
#[must_use]
pub fn resolver(allow_private: bool) -> Resolver {
    if allow_private {
        return Resolver::system();
    }
    Resolver::new(async |host: String, port| {
        let found = tokio::net::lookup_host((host, port)).await?;
        let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
        if public.is_empty() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, BadEndpoint::Private));
        }
        Ok(public)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_taken_apart() {
        let rows = [
            ("https://push.example.net/a?b=c", Ok(("push.example.net", 443, "/a?b=c"))),
            ("https://PUSH.example.net:8443", Ok(("push.example.net:8443", 8443, "/"))),
            ("https://8.8.8.8/", Ok(("8.8.8.8", 443, "/"))),
            ("https://[2a00::1]:444/x", Ok(("[2a00::1]:444", 444, "/x"))),
            ("http://push.example.net/", Err(BadEndpoint::Clear)),
            ("ftp://push.example.net/", Err(BadEndpoint::Url)),
            ("push.example.net", Err(BadEndpoint::Url)),
            ("/a", Err(BadEndpoint::Url)),
            ("https://", Err(BadEndpoint::Url)),
            ("https://user:word@push.example.net/", Err(BadEndpoint::Url)),
            ("https://push.example.net:0/", Err(BadEndpoint::Url)),
            ("https://a b/", Err(BadEndpoint::Url)),
            ("https://127.0.0.1/", Err(BadEndpoint::Private)),
            ("https://[::1]/", Err(BadEndpoint::Private)),
            ("https://localhost/", Err(BadEndpoint::Private)),
            ("https://a.localhost./", Err(BadEndpoint::Private)),
            ("https://2130706433/", Err(BadEndpoint::Private)),
            ("https://0x7f000001/", Err(BadEndpoint::Private)),
            ("https://127.1/", Err(BadEndpoint::Private)),
            ("https://169.254.169.254/latest", Err(BadEndpoint::Private)),
        ];
        for (url, expected) in rows {
            let found = Endpoint::parse(url, false);
            let found = found.as_ref().map(|found| (&*found.authority, found.port, &*found.target));
            assert_eq!(found.map_err(|error| *error), expected, "{url}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_ENDPOINT));
        assert_eq!(Endpoint::parse(&long, true), Err(BadEndpoint::Long));
        let near = Endpoint::parse("http://127.0.0.1:8080/x", true).unwrap();
        assert_eq!(near.origin(), "http://127.0.0.1:8080");
        assert_eq!(Endpoint::parse("https://a.example/x", false).unwrap().origin(), "https://a.example");
    }

    #[test]
    fn addresses_that_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "fec0::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2a00:1450::1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}

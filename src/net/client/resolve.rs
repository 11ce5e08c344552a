//! From the name of a host to its addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::error::ConnectError;

/// Addresses that are tried of a name at most; the others are left out. 13 root servers fit, of both families.
const MAX_ADDRESSES: usize = 32;

type Lookup = dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Looks names up. Clones are the same.
#[derive(Clone)]
pub struct Resolver(Arc<Lookup>);

impl Resolver {
    /// As the system does: by `/etc/hosts`, DNS, and what else it is set up for (`getaddrinfo`, on a thread).
    #[must_use]
    pub fn system() -> Self {
        Self::new(async |host: String, port| {
            let addresses = tokio::net::lookup_host((host, port)).await?;
            Ok(addresses.collect())
        })
    }

    /// By `lookup`, which is given the name and the port, and gives addresses, the most wanted first. IP addresses are not
    /// looked up.
    pub fn new<F, Fut>(lookup: F) -> Self
    where
        F: Fn(String, u16) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host, port| Box::pin(lookup(host, port))))
    }

    /// The addresses of `host`, in the order in which they are to be tried; at least one.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let bare = without_brackets(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if bare.is_empty() || bare.len() < host.len() || bare.contains('\0') {
            return Err(ConnectError::Host(host.into()));
        }
        let found = (self.0)(host.into(), port).await;
        let found = found.map_err(|error| ConnectError::Resolve { host: host.into(), error })?;
        let addresses = interleave(found);
        if addresses.is_empty() { Err(ConnectError::NoAddress { host: host.into() }) } else { Ok(addresses) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// An IPv6 address as it is, when it comes as URLs have it.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// RFC 8305 section 4: the two families by turns, the one of the first address first; each in its order.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut these, mut those) = (Vec::new(), Vec::new());
    for address in addresses {
        let family = if address.is_ipv6() == first_is_v6 { &mut these } else { &mut those };
        // A resolver may say an address once for each kind of socket.
        if !family.contains(&address) && family.len() < MAX_ADDRESSES {
            family.push(address);
        }
    }
    let mut those = those.into_iter();
    let mut turns = Vec::new();
    for address in these {
        turns.push(address);
        turns.extend(those.next());
    }
    turns.extend(those);
    turns.truncate(MAX_ADDRESSES);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let (a, b, c) = ("192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1");
        let (x, y) = ("[2001:db8::1]:1", "[2001:db8::2]:1");
        let rows: [(&[&str], &[&str]); 6] = [
            (&[], &[]),
            (&[a, b], &[a, b]),
            (&[x, y, a, b, c], &[x, a, y, b, c]),
            (&[a, b, c, x], &[a, x, b, c]),
            (&[a, x, y], &[a, x, y]),
            (&[x, x, a, x, a], &[x, a]),
        ];
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        for (found, turns) in rows {
            assert_eq!(interleave(parse(found)), parse(turns), "{found:?}");
        }
    }

    #[test]
    fn a_name_with_very_many_addresses_is_cut() {
        let v4 = (0..200).map(|n| SocketAddr::from(([192, 0, 2, n], 1)));
        let v6 = (0..200).map(|n| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 1)));
        let turns = interleave(v4.chain(v6).collect());
        assert_eq!(turns.len(), MAX_ADDRESSES);
        assert_eq!(turns.iter().filter(|address| address.is_ipv6()).count(), MAX_ADDRESSES / 2);
    }

    #[tokio::test]
    async fn addresses_are_not_looked_up_and_other_texts_are() {
        let resolver = Resolver::new(async |host, port| match host.as_str() {
            "nobody.test" => Ok(vec![]),
            "broken.test" => {
                Err(io::Error::other("failed to lookup address information: Name or service not known"))
            }
            _ => Ok(vec![SocketAddr::from(([192, 0, 2, 7], port))]),
        });
        let rows = [
            ("127.0.0.1", Ok("127.0.0.1:80")),
            ("::1", Ok("[::1]:80")),
            ("[::1]", Ok("[::1]:80")),
            ("a.test", Ok("192.0.2.7:80")),
            ("nobody.test", Err("cannot resolve nobody.test: it has no address")),
            ("broken.test", Err("cannot resolve broken.test: name or service not known")),
            ("", Err("\"\" is neither a host's name nor an IP address")),
            ("[a.test]", Err("\"[a.test]\" is neither a host's name nor an IP address")),
            ("a\0.test", Err("\"a\\0.test\" is neither a host's name nor an IP address")),
        ];
        for (host, expected) in rows {
            let got = resolver.resolve(host, 80).await.map_err(|error| error.to_string());
            let expected: Result<Vec<SocketAddr>, _> =
                expected.map(|text| vec![text.parse().unwrap()]).map_err(str::to_owned);
            assert_eq!(got, expected);
        }
    }
}

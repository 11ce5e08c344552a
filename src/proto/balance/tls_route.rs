//! The conditions of a route for TLS passthrough: the ClientHello's server name (SNI) and protocols (ALPN).
//!
//! A route with both conditions needs both: one of its names, and one of its protocols. Routes are tried in the order in which they are
//! written, and the first match is used, as with [requests](super::route).

use super::route::HostPattern;
use crate::proto::tls::client_hello::ClientHello;

/// The conditions of a route. Without any it matches every ClientHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsCondition {
    /// Server names. A client that sends none matches none of them.
    pub names: Vec<HostPattern>,
    /// Protocols, of which the client offers one at least.
    pub protocols: Vec<Vec<u8>>,
}

impl TlsCondition {
    /// Whether a connection that begins with this takes the route.
    #[must_use]
    pub fn holds(&self, hello: &ClientHello) -> bool {
        let named = |sni: &str| self.names.iter().any(|pattern| pattern.fits(sni));
        (self.names.is_empty() || hello.sni.as_deref().is_some_and(named))
            && (self.protocols.is_empty() || self.protocols.iter().any(|name| hello.alpn.contains(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_protocols_must_both_fit() {
        let condition = |names: &[&str], protocols: &[&str]| TlsCondition {
            names: names.iter().map(|name| HostPattern::new(name)).collect(),
            protocols: protocols.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        let hello = |sni: Option<&str>, alpn: &[&str]| ClientHello {
            sni: sni.map(str::to_owned),
            alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        type Row = (
            &'static [&'static str],
            &'static [&'static str],
            Option<&'static str>,
            &'static [&'static str],
            bool,
        );
        let rows: [Row; 13] = [
            (&[], &[], None, &[], true),
            (&[], &[], Some("a.test"), &["h2"], true),
            (&["a.test"], &[], Some("a.test"), &[], true),
            (&["A.test"], &[], Some("a.test"), &[], true),
            (&["a.test"], &[], Some("b.a.test"), &[], false),
            (&["a.test"], &[], None, &[], false),
            (&["*.a.test"], &[], Some("b.a.test"), &[], true),
            (&["*.a.test"], &[], Some("a.test"), &[], false),
            (&["x.test", "*.a.test"], &[], Some("c.b.a.test"), &[], true),
            (&[], &["h2"], Some("a.test"), &["http/1.1", "h2"], true),
            (&[], &["h2", "xmpp"], None, &["http/1.1"], false),
            (&["a.test"], &["h2"], Some("a.test"), &["http/1.1"], false),
            (&["a.test"], &["h2"], Some("a.test"), &["h2"], true),
        ];
        for (names, protocols, sni, alpn, expected) in rows {
            let holds = condition(names, protocols).holds(&hello(sni, alpn));
            assert_eq!(holds, expected, "{names:?} {protocols:?} of {sni:?} {alpn:?}");
        }
    }
}

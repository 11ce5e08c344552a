//! For whom a proxy asks: `X-Forwarded-For` and its kin, and `Forwarded`, RFC 7239.
//!
//! Each proxy appends the address that it sees, so the last entry of a list is the word of the nearest proxy, and the first may be
//! anybody's. Whom the entries name is believed only as far as the proxies that wrote them are trusted: from the peer backwards, up to the
//! first address that is no trusted proxy's. That is the client ([`client`]). What the peer itself said of it goes on only when the peer is
//! trusted ([`Forwarding`]).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use super::list::FieldLines;

/// Addresses that are read of a list at most; what is in front of them is not looked at.
pub const MAX_HOPS: usize = 64;

/// The client of a request: the peer, or the one for whom it asks if it is `trusted` as a proxy, and so on.
pub fn client<H: FieldLines + ?Sized>(head: &H, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let lines: Vec<&[u8]> = head.lines("x-forwarded-for").collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(|&byte| byte == b','));
    let mut client = peer;
    for hop in hops.take(MAX_HOPS) {
        if !trusted(client) {
            break;
        }
        let Some(address) = address(hop) else { break };
        client = address;
    }
    client
}

/// The address of an entry, with a port or without, in brackets or without.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare().parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip())).ok()?;
    Some(IpAddr::to_canonical(&address))
}

/// What of a client goes on to the next server.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// Who is at the other end of the connection; `None` for a Unix socket.
    pub peer: Option<IpAddr>,
    /// Whether what it says of others is believed.
    pub trusted: bool,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The host that was asked for.
    pub host: &'a str,
}

/// The values of the fields that tell the next server of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `X-Forwarded-For`.
    pub for_: String,
    /// `X-Forwarded-Proto`.
    pub proto: String,
    /// `X-Forwarded-Host`.
    pub host: String,
    /// `Forwarded`.
    pub forwarded: String,
}

/// The fields that [`Forwarding`] writes, lower case. Those of the request must not go on beside them.
pub const FIELDS: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];

impl Forwarding<'_> {
    /// The values for a request with this head.
    pub fn told<H: FieldLines + ?Sized>(&self, head: &H) -> Told {
        let earlier = |name| {
            let lines =
                head.lines(name).filter(|_| self.trusted).filter_map(|line| std::str::from_utf8(line).ok());
            lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
        };
        let proto = if self.tls { "https" } else { "http" };
        let first = |earlier: String, own: &str| if earlier.is_empty() { own.to_owned() } else { earlier };
        let mut for_ = earlier("x-forwarded-for");
        let mut forwarded = earlier("forwarded");
        if let Some(peer) = self.peer {
            separate(&mut for_);
            let _ = write!(for_, "{peer}"); // writing to a string cannot fail
        }
        separate(&mut forwarded);
        let _ = match self.peer {
            // An IPv6 address is quoted, as a colon is no part of a token (RFC 7239 section 6).
            Some(IpAddr::V6(peer)) => write!(forwarded, "for=\"[{peer}]\""),
            Some(IpAddr::V4(peer)) => write!(forwarded, "for={peer}"),
            None => write!(forwarded, "for=unknown"),
        };
        let _ = write!(forwarded, ";proto={proto}");
        if !self.host.is_empty() {
            let _ = write!(forwarded, ";host=\"{}\"", self.host);
        }
        Told {
            for_,
            proto: first(earlier("x-forwarded-proto"), proto),
            host: first(earlier("x-forwarded-host"), self.host),
            forwarded,
        }
    }
}

fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push_str(", ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The proxies of these tests are 10.0.0.0/8.
    fn is_proxy(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
    }

    #[test]
    fn the_client_is_the_last_whom_no_trusted_proxy_can_be() {
        let rows: [(&str, &[&str], &str); 12] = [
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.9"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &["203.0.113.5, 198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &["203.0.113.5, 10.0.0.2"], "203.0.113.5"),
            ("10.0.0.1", &["203.0.113.5", "10.0.0.2"], "203.0.113.5"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.9:4711"], "198.51.100.9"),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:198.51.100.9"], "198.51.100.9"),
        ];
        for (peer, lines, expected) in rows {
            let head: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
            assert_eq!(client(&head[..], ip(peer), is_proxy), ip(expected), "{peer} {lines:?}");
        }
        let many = [("x-forwarded-for", "10.0.0.2,".repeat(MAX_HOPS + 1))];
        assert_eq!(
            client(&many[..], ip("10.0.0.1"), is_proxy),
            ip("10.0.0.1"),
            "an empty entry ends the list"
        );
    }

    #[test]
    fn what_the_next_server_is_told() {
        let said = [
            ("X-Forwarded-For", "203.0.113.5"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "shop.test"),
            ("Forwarded", "for=203.0.113.5"),
        ];
        let told = |peer: Option<&str>, trusted| {
            let forwarding = Forwarding { peer: peer.map(ip), trusted, tls: false, host: "a.test:81" };
            let told = forwarding.told(&said[..]);
            [told.for_, told.proto, told.host, told.forwarded]
        };
        let own = "for=192.0.2.1;proto=http;host=\"a.test:81\"";
        assert_eq!(told(Some("192.0.2.1"), false), ["192.0.2.1", "http", "a.test:81", own]);
        let appended = format!("for=203.0.113.5, {own}");
        assert_eq!(
            told(Some("192.0.2.1"), true),
            ["203.0.113.5, 192.0.2.1", "https", "shop.test", &appended]
        );
        let v6 = "for=\"[2001:db8::1]\";proto=http;host=\"a.test:81\"";
        assert_eq!(told(Some("2001:db8::1"), false), ["2001:db8::1", "http", "a.test:81", v6]);
        assert_eq!(told(None, false)[3], "for=unknown;proto=http;host=\"a.test:81\"");
    }
}

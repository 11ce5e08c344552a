//! For whom a proxy asks: `X-Forwarded-For` and its kin, and `Forwarded`, RFC 7239.
//!
//! Each proxy appends the address that it sees, so the last entry of a list is the word of the nearest proxy, and the first may be
//! anybody's. Whom the entries name is believed only as far as the proxies that wrote them are trusted: from the peer backwards, up to the
//! first address that is no trusted proxy's. That is the client ([`client`]). What the peer itself said of it goes on only when the peer is
//! trusted ([`Forwarding`]).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use http::HeaderName;
use http::header::FORWARDED;

use super::hop::{begins_as, reads_as};
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

/// Which fields tell the next server of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tell {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, and `-Prefix` where a prefix was stripped.
    #[default]
    XForwarded,
    /// `Forwarded`, RFC 7239.
    Rfc7239,
    /// All of them.
    Both,
    /// None.
    Nothing,
}

/// A field that tells the next server of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `X-Forwarded-For`.
    For,
    /// `X-Forwarded-Proto`.
    Proto,
    /// `X-Forwarded-Host`.
    Host,
    /// `X-Forwarded-Prefix`.
    Prefix,
    /// `Forwarded`.
    Forwarded,
}

impl Tell {
    /// The fields that are written.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        use Field::{For, Forwarded, Host, Prefix, Proto};
        match self {
            Self::XForwarded => &[For, Proto, Host, Prefix],
            Self::Rfc7239 => &[Forwarded],
            Self::Both => &[For, Proto, Host, Prefix, Forwarded],
            Self::Nothing => &[],
        }
    }
}

impl Field {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static HeaderName {
        static NAMES: [HeaderName; 5] = [
            HeaderName::from_static("x-forwarded-for"),
            HeaderName::from_static("x-forwarded-proto"),
            HeaderName::from_static("x-forwarded-host"),
            HeaderName::from_static("x-forwarded-prefix"),
            FORWARDED,
        ];
        match self {
            Self::For => &NAMES[0],
            Self::Proto => &NAMES[1],
            Self::Host => &NAMES[2],
            Self::Prefix => &NAMES[3],
            Self::Forwarded => &NAMES[4],
        }
    }
}

/// Whether the field `name` of a request is its sender's word about clients, which does not go on as it is: it is written anew, or is not to be believed. What
/// is left of a `trusted` proxy's are `X-Real-IP` and those of the `X-Forwarded-` that are not written here, such as `X-Forwarded-Port`.
#[must_use]
pub fn is_word(name: &str, trusted: bool) -> bool {
    match name.as_bytes().first() {
        Some(b'f' | b'F') => reads_as(name, "forwarded"),
        Some(b'x' | b'X') if begins_as(name, "x-forwarded-") => {
            let rest = &name["x-forwarded-".len()..];
            !trusted || ["for", "proto", "host", "prefix"].iter().any(|ours| rest.eq_ignore_ascii_case(ours))
        }
        Some(b'x' | b'X') => !trusted && reads_as(name, "x-real-ip"),
        _ => false,
    }
}

/// What of a client goes on to the next server.
#[derive(Debug)]
pub struct Forwarding<'a, H: FieldLines + ?Sized> {
    /// The request.
    pub head: &'a H,
    /// Who is at the other end of the connection; `None` for a Unix socket.
    pub peer: Option<IpAddr>,
    /// Whether what it says of others is believed.
    pub trusted: bool,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The host that was asked for.
    pub host: &'a str,
    /// The prefix that was taken from the path; empty for none.
    pub prefix: &'a str,
}

impl<H: FieldLines + ?Sized> Forwarding<'_, H> {
    /// Appends the value of a field; nothing when there is nothing to tell.
    pub fn write(&self, field: Field, dst: &mut BytesMut) {
        let start = dst.len();
        if self.trusted {
            let name = field.name();
            for line in self.head.lines(name.as_str()).filter(|line| !line.is_empty()) {
                // Prefixes stand behind each other, as paths do; of everything else there are lists.
                if dst.len() > start && field != Field::Prefix {
                    dst.extend_from_slice(b", ");
                }
                dst.extend_from_slice(line);
            }
        }
        let earlier = dst.len() > start;
        // Writing to memory cannot fail.
        let _ = match (field, self.peer) {
            (Field::Prefix, _) => dst.write_str(self.prefix),
            (Field::Proto | Field::Host, _) if earlier => Ok(()),
            (Field::Proto, _) => dst.write_str(self.proto()),
            (Field::Host, _) => dst.write_str(self.host),
            (Field::For, None) => Ok(()),
            (Field::For, Some(peer)) => {
                if earlier {
                    dst.extend_from_slice(b", ");
                }
                write_ip(peer, dst)
            }
            (Field::Forwarded, peer) => self.write_forwarded(if earlier { ", " } else { "" }, peer, dst),
        };
    }

    fn proto(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    fn write_forwarded(&self, comma: &str, peer: Option<IpAddr>, dst: &mut BytesMut) -> std::fmt::Result {
        match peer {
            // An IPv6 address is quoted, as a colon is no part of a token (RFC 7239 section 6).
            Some(IpAddr::V6(peer)) => write!(dst, "{comma}for=\"[{peer}]\"")?,
            Some(IpAddr::V4(peer)) => write!(dst, "{comma}for={peer}")?,
            None => write!(dst, "{comma}for=unknown")?,
        }
        write!(dst, ";proto={}", self.proto())?;
        if !self.host.is_empty() {
            write!(dst, ";host=\"{}\"", self.host)?;
        }
        Ok(())
    }
}

/// Appends an address. That of an IPv4 client is written for every request, and without the machinery of `write!`.
fn write_ip(ip: IpAddr, dst: &mut BytesMut) -> std::fmt::Result {
    let IpAddr::V4(ip) = ip else { return write!(dst, "{ip}") };
    for (at, octet) in ip.octets().into_iter().enumerate() {
        if at > 0 {
            dst.extend_from_slice(b".");
        }
        let digits = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
        let from = usize::from(octet < 100) + usize::from(octet < 10);
        dst.extend_from_slice(&digits[from..]);
    }
    Ok(())
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
            ("X-Forwarded-Prefix", "/outer"),
            ("Forwarded", "for=203.0.113.5"),
        ];
        let told = |peer: Option<&str>, trusted, prefix| {
            let peer = peer.map(ip);
            let host = "a.test:81";
            let forwarding = Forwarding { head: &said[..], peer, trusted, tls: false, host, prefix };
            Tell::Both.fields().iter().map(move |field| {
                let mut value = BytesMut::new();
                forwarding.write(*field, &mut value);
                String::from_utf8(value.to_vec()).unwrap()
            })
        };
        let all = |peer, trusted, prefix| told(peer, trusted, prefix).collect::<Vec<_>>();
        let own = "for=192.0.2.1;proto=http;host=\"a.test:81\"";
        assert_eq!(all(Some("192.0.2.1"), false, ""), ["192.0.2.1", "http", "a.test:81", "", own]);
        let appended = format!("for=203.0.113.5, {own}");
        let expected = ["203.0.113.5, 192.0.2.1", "https", "shop.test", "/outer/api", &appended];
        assert_eq!(all(Some("192.0.2.1"), true, "/api"), expected);
        let v6 = "for=\"[2001:db8::1]\";proto=http;host=\"a.test:81\"";
        assert_eq!(all(Some("2001:db8::1"), false, "/a"), ["2001:db8::1", "http", "a.test:81", "/a", v6]);
        let local = ["", "http", "a.test:81", "", "for=unknown;proto=http;host=\"a.test:81\""];
        assert_eq!(all(None, false, ""), local);
    }

    #[test]
    fn whose_word_does_not_go_on() {
        // Whether it is left out of a stranger's request, and of a trusted proxy's.
        for (name, strangers, trusted) in [
            ("X-Forwarded-For", true, true),
            ("x-forwarded-PROTO", true, true),
            ("X-Forwarded-Host", true, true),
            ("X-Forwarded-Prefix", true, true),
            ("Forwarded", true, true),
            ("X-Forwarded-Port", true, false),
            ("X_Forwarded_Port", true, false),
            ("X-Forwarded-Client-Cert", true, false),
            ("X-Real-IP", true, false),
            ("x_real_ip", true, false),
            ("X-Forwarde", false, false),
            ("X-Request-Id", false, false),
            ("Forwarded-For", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_word(name, false), is_word(name, true)), (strangers, trusted), "{name}");
        }
    }

    #[test]
    fn what_is_told_by_which_fields() {
        use Field::{For, Forwarded, Host, Prefix, Proto};
        for (tell, fields) in [
            (Tell::default(), &[For, Proto, Host, Prefix][..]),
            (Tell::Rfc7239, &[Forwarded]),
            (Tell::Both, &[For, Proto, Host, Prefix, Forwarded]),
            (Tell::Nothing, &[]),
        ] {
            assert_eq!(tell.fields(), fields);
        }
    }
}

//! Version 1: one line of text, `PROXY TCP4 SOURCE DESTINATION SPORT DPORT` (`proxy-protocol.txt` section 2.1).

use core::fmt::Write;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BytesMut;

use super::{Addresses, Header, MAX_V1, Parsed, ProxyError};

/// What tells the version.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// Reads a line that starts with [`SIGNATURE`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let window = &bytes[..bytes.len().min(MAX_V1)];
    let Some(end) = memchr::memmem::find(window, b"\r\n") else {
        let need = if window.last() == Some(&b'\r') { 1 } else { 2 };
        let fits = window.len() + need <= MAX_V1;
        return if fits { Ok(Parsed::Incomplete { need }) } else { Err(ProxyError::LineTooLong) };
    };
    let addresses = line(&window[SIGNATURE.len()..end])?;
    Ok(Parsed::Complete { consumed: end + 2, header: Header { addresses, tlvs: Vec::new() } })
}

/// What stands between the signature and the line end.
fn line(line: &[u8]) -> Result<Option<Addresses>, ProxyError> {
    // What follows UNKNOWN has to be ignored up to the line end, whatever it is.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let text = str::from_utf8(line).map_err(|_| ProxyError::Line("text"))?;
    let mut fields = text.split(' ');
    let ip = match fields.next() {
        Some("TCP4") => |text: &str| text.parse().ok().map(|ip: Ipv4Addr| IpAddr::V4(ip)),
        Some("TCP6") => |text: &str| text.parse().ok().map(|ip: Ipv6Addr| IpAddr::V6(ip)),
        _ => return Err(ProxyError::Line("protocol")),
    };
    let mut field = |what| fields.next().ok_or(ProxyError::Line(what));
    let source = ip(field("source address")?).ok_or(ProxyError::Line("source address"))?;
    let destination = ip(field("destination address")?).ok_or(ProxyError::Line("destination address"))?;
    let source_port = port(field("source port")?).ok_or(ProxyError::Line("source port"))?;
    let destination_port = port(field("destination port")?).ok_or(ProxyError::Line("destination port"))?;
    if fields.next().is_some() {
        return Err(ProxyError::Line("end"));
    }
    Ok(Some(Addresses::Ip {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

/// A decimal number from 0 to 65535 without leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| canonical)
}

/// Appends the line for two ends of one family.
pub(super) fn encode((source, destination): (SocketAddr, SocketAddr), dst: &mut BytesMut) {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let ports = (source.port(), destination.port());
    // Writing to a growing buffer cannot fail.
    let _ = write!(dst, "PROXY {family} {from} {to} {} {}\r\n", ports.0, ports.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(text: &str) -> Result<Parsed, ProxyError> {
        parse(format!("PROXY {text}\r\n").as_bytes())
    }

    #[test]
    fn lines_by_the_grammar() {
        let rows = [
            ("TCP4 192.0.2.1 198.51.100.2 1 65535", Some(("192.0.2.1:1", "198.51.100.2:65535"))),
            ("TCP4 0.0.0.0 255.255.255.255 0 0", Some(("0.0.0.0:0", "255.255.255.255:0"))),
            (
                "TCP6 2001:db8::1 ::ffff:192.0.2.1 80 443",
                Some(("[2001:db8::1]:80", "[::ffff:192.0.2.1]:443")),
            ),
            ("UNKNOWN", None),
            ("UNKNOWN ffff::1 ffff::2 1 2", None),
            ("UNKNOWN any thing at all", None),
        ];
        for (text, expected) in rows {
            let Ok(Parsed::Complete { consumed, header }) = parse_line(text) else {
                panic!("{text}: {:?}", parse_line(text));
            };
            assert_eq!(consumed, text.len() + 8);
            let addresses = expected.map(|(source, destination)| Addresses::Ip {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
            });
            assert_eq!(header, Header { addresses, tlvs: vec![] }, "{text}");
        }
    }

    #[test]
    fn lines_against_the_grammar() {
        let rows = [
            ("", "protocol"),
            ("TCP5 1.2.3.4 1.2.3.4 1 1", "protocol"),
            ("tcp4 1.2.3.4 1.2.3.4 1 1", "protocol"),
            ("UNKNOWNX", "protocol"),
            (" TCP4 1.2.3.4 1.2.3.4 1 1", "protocol"),
            ("TCP4", "source address"),
            ("TCP4  1.2.3.4 1.2.3.4 1 1", "source address"),
            ("TCP4 ::1 1.2.3.4 1 1", "source address"),
            ("TCP4 01.2.3.4 1.2.3.4 1 1", "source address"),
            ("TCP4 1.2.3 1.2.3.4 1 1", "source address"),
            ("TCP6 1.2.3.4 ::1 1 1", "source address"),
            ("TCP6 fe80::1%eth0 ::1 1 1", "source address"),
            ("TCP6 ::1 [::1] 1 1", "destination address"),
            ("TCP4 1.2.3.4 1.2.3.256 1 1", "destination address"),
            ("TCP4 1.2.3.4 1.2.3.4", "source port"),
            ("TCP4 1.2.3.4 1.2.3.4 65536 1", "source port"),
            ("TCP4 1.2.3.4 1.2.3.4 +1 1", "source port"),
            ("TCP4 1.2.3.4 1.2.3.4 01 1", "source port"),
            ("TCP4 1.2.3.4 1.2.3.4 1 ", "destination port"),
            ("TCP4 1.2.3.4 1.2.3.4 1 -1", "destination port"),
            ("TCP4 1.2.3.4 1.2.3.4 1 1\t", "destination port"),
            ("TCP4 1.2.3.4 1.2.3.4 1 1 ", "end"),
            ("TCP4 1.2.3.4 1.2.3.4 1 1 1", "end"),
        ];
        for (text, wrong) in rows {
            assert_eq!(parse_line(text), Err(ProxyError::Line(wrong)), "{text:?}");
        }
        assert_eq!(parse(b"PROXY \xff\r\n"), Err(ProxyError::Line("text")));
        assert!(matches!(parse(b"PROXY UNKNOWN \xff\r\n"), Ok(Parsed::Complete { consumed: 17, .. })));
    }

    #[test]
    fn a_line_ends_within_its_107_bytes_or_not_at_all() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 16));
        assert_eq!(longest.len(), MAX_V1);
        assert!(matches!(parse(longest.as_bytes()), Ok(Parsed::Complete { consumed: MAX_V1, .. })));
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
        for len in 14..200 {
            let expected =
                if len <= 105 { Ok(Parsed::Incomplete { need: 2 }) } else { Err(ProxyError::LineTooLong) };
            assert_eq!(parse(&endless.as_bytes()[..len]), expected, "{len}");
        }
        let late = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1 - 15));
        assert_eq!(parse(late.as_bytes()), Err(ProxyError::LineTooLong));
    }

    #[test]
    fn a_lone_line_feed_ends_nothing() {
        assert_eq!(parse(b"PROXY UNKNOWN\n"), Ok(Parsed::Incomplete { need: 2 }));
        assert_eq!(parse(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n"), Err(ProxyError::Line("destination port")));
    }
}

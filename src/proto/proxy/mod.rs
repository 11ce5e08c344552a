//! The PROXY protocol: a load balancer tells the server behind it whose connection it passes on.
//!
//! The header is the first thing on the connection, in text (version 1) or binary (version 2), as specified in HAProxy's
//! `proxy-protocol.txt`. It is required or forbidden, never optional: whoever may leave it out may also forge it. Which
//! peers have to send it is decided by the plumbing; here bytes become a [`Header`] and back. A header that is not exactly
//! right is refused, as the specification demands.

mod tlv;
mod v1;
mod v2;

use core::net::{IpAddr, SocketAddr};

use bytes::{BufMut, BytesMut};

pub use self::tlv::{MAX_TLVS, MAX_UNIQUE_ID, Ssl, Tlv, TlvError};

/// Bytes of a version 1 header at most, with its line end. The specification's own number (section 2.1).
pub const MAX_V1: usize = 107;

/// Bytes of a version 2 header at most. The format allows 65551; HAProxy takes what fits its buffer (16 KiB), and
/// headers with TLS details stay below 1 KiB.
pub const MAX_V2: usize = 4096;

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The ends of the original connection. `None` when the proxy speaks for itself (LOCAL, as in a health check) or
    /// does not know (UNKNOWN, UNSPEC): the addresses of the connection itself hold then.
    pub addresses: Option<Addresses>,
    /// What else the proxy knows, in its order. Checksum and padding are not kept.
    pub tlvs: Vec<Tlv>,
}

/// The two ends of the original connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// A TCP connection.
    Ip {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// A connection over a Unix socket: paths of up to 108 bytes, without the padding. Version 2 only.
    Unix {
        /// The client's path, mostly empty.
        source: Vec<u8>,
        /// The path that the client connected to.
        destination: Vec<u8>,
    },
}

/// What a prefix of the connection's bytes holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header.
    Incomplete {
        /// This many further bytes are needed at least.
        need: usize,
    },
    /// A whole header.
    Complete {
        /// Its length. What follows belongs to the protocol behind it.
        consumed: usize,
        /// What it says.
        header: Header,
    },
}

/// What is wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The connection starts with something else.
    #[error("the connection does not start with a PROXY header")]
    Missing,
    /// A version 1 line does not end within [`MAX_V1`] bytes.
    #[error("the PROXY line is longer than 107 bytes")]
    LineTooLong,
    /// A version 1 line that breaks its grammar.
    #[error("the {0} of the PROXY line is malformed")]
    Line(&'static str),
    /// A version other than 2 after the binary signature.
    #[error("PROXY header of version {0}")]
    Version(u8),
    /// A command other than LOCAL and PROXY.
    #[error("PROXY header with command {0:#x}")]
    Command(u8),
    /// An address family or transport that is not assigned, or that no stream can have.
    #[error("PROXY header with family and transport {0:#04x}")]
    Family(u8),
    /// The header announces more than [`MAX_V2`] bytes.
    #[error("PROXY header of {0} bytes, more than 4096")]
    TooLong(usize),
    /// The announced length has no room for the addresses of its family.
    #[error("PROXY header too short for its addresses: {0} bytes")]
    TooShort(usize),
    /// The extensions are malformed.
    #[error("PROXY header: {0}")]
    Tlv(#[from] TlvError),
}

/// Why a header cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It would be longer than [`MAX_V2`].
    #[error("the PROXY header would be {0} bytes long, more than 4096")]
    TooLong(usize),
    /// A unique identifier or socket path that is too long.
    #[error("a field of the PROXY header is {0} bytes long, more than its {1}")]
    Field(usize, usize),
}

/// Reads the header at the start of a connection, of either version.
///
/// # Errors
/// What is wrong with it, as early as it can be known. The connection has to be closed then, without an answer.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    for (signature, parser) in [(v1::SIGNATURE, v1::parse as fn(&[u8]) -> _), (v2::SIGNATURE, v2::parse)] {
        let seen = bytes.len().min(signature.len());
        if bytes[..seen] == signature[..seen] {
            return match signature.len() - seen {
                0 => parser(bytes),
                need => Ok(Parsed::Incomplete { need }),
            };
        }
    }
    Err(ProxyError::Missing)
}

/// Appends a version 1 header. What it cannot say (no addresses, Unix sockets) becomes `UNKNOWN`.
pub fn encode_v1(addresses: Option<&Addresses>, dst: &mut BytesMut) {
    match addresses {
        Some(&Addresses::Ip { source, destination }) => v1::encode(same_family(source, destination), dst),
        Some(Addresses::Unix { .. }) | None => dst.put_slice(b"PROXY UNKNOWN\r\n"),
    }
}

/// Appends a version 2 header, with a checksum when `checksum` is set. Without addresses its command is LOCAL.
///
/// # Errors
/// A field or the whole is too long. Nothing is appended then.
pub fn encode_v2(header: &Header, checksum: bool, dst: &mut BytesMut) -> Result<(), EncodeError> {
    v2::encode(header, checksum, dst)
}

/// Both ends in one family: an IPv4 end becomes a mapped address beside an IPv6 end.
fn same_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let widen = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    if source.is_ipv4() == destination.is_ipv4() {
        (source, destination)
    } else {
        (widen(source), widen(destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(source: &str, destination: &str) -> Option<Addresses> {
        Some(Addresses::Ip { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
    }

    /// The bytes of a golden file: what HAProxy sent, in hexadecimal.
    fn golden(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/data/proxy/{name}.hex", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let digits = text.trim().as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Parses `wire` whole and at every shorter length, which all have to be incomplete.
    fn header_of(wire: &[u8]) -> (Header, Vec<u8>) {
        let Ok(Parsed::Complete { consumed, header }) = parse(wire) else {
            panic!("{:?} for {:?}", parse(wire), String::from_utf8_lossy(wire));
        };
        for end in 0..consumed {
            match parse(&wire[..end]) {
                Ok(Parsed::Incomplete { need }) => assert!(need > 0 && end + need <= consumed, "at {end}"),
                other => panic!("{other:?} at {end}"),
            }
        }
        (header, wire[consumed..].to_vec())
    }

    #[test]
    fn what_haproxy_sends() {
        let ssl = |sub: &[(u8, &[u8])]| {
            let fields = sub.iter().map(|&(kind, value)| (kind, value.to_vec())).collect();
            Tlv::Ssl(Ssl { client: 0x01, verify: 0, fields })
        };
        let all = vec![
            Tlv::Alpn(b"http/1.1".to_vec()),
            Tlv::Authority("www.example.test".into()),
            Tlv::UniqueId(b"TEST-7".to_vec()),
            ssl(&[
                (0x21, b"TLSv1.3"),
                (0x25, b"EC256"),
                (0x24, b"ecdsa-with-SHA256"),
                (0x23, b"TLS_AES_256_GCM_SHA384"),
            ]),
        ];
        let with_cn = vec![Tlv::Alpn(b"http/1.1".to_vec()), ssl(&[(0x21, b"TLSv1.3")])];
        let four = |port: u16, to: u16| ip(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{to}"));
        let rows = [
            ("v1-tcp4", four(52496, 23301), vec![], true),
            ("v1-tcp6", ip("[::1]:59634", "[::1]:23307"), vec![], true),
            ("v2-tcp4", four(0xb63a, 0x5b06), vec![], true),
            ("v2-tcp6", ip("[::1]:48326", "[::1]:23302"), vec![], true),
            ("v2-crc32c", four(0xac68, 0x5b07), vec![], true),
            ("v2-unique-id", four(0xda44, 0x5b08), vec![Tlv::UniqueId(b"TEST-5".to_vec())], true),
            ("v2-ssl-cn", four(0xc30c, 0x5b09), with_cn, true),
            ("v2-all-tlv", four(0x8c10, 0x5b0a), all, true),
            ("v2-local-healthcheck", None, vec![], false),
        ];
        for (name, addresses, tlvs, payload) in rows {
            let (header, rest) = header_of(&golden(name));
            assert_eq!(header, Header { addresses, tlvs }, "{name}");
            assert_eq!(rest, if payload { &b"PAYLOAD"[..] } else { b"" }, "{name}");
        }
    }

    #[test]
    fn we_write_what_haproxy_writes() {
        for (name, checksum) in [
            ("v2-tcp4", false),
            ("v2-tcp6", false),
            ("v2-crc32c", true),
            ("v2-unique-id", false),
            ("v2-ssl-cn", false),
        ] {
            let wire = golden(name);
            let (header, rest) = header_of(&wire);
            let mut ours = BytesMut::new();
            encode_v2(&header, checksum, &mut ours).unwrap();
            assert_eq!([&ours[..], &rest].concat(), wire, "{name}");
        }
        for name in ["v1-tcp4", "v1-tcp6"] {
            let wire = golden(name);
            let (header, rest) = header_of(&wire);
            let mut ours = BytesMut::new();
            encode_v1(header.addresses.as_ref(), &mut ours);
            assert_eq!([&ours[..], &rest].concat(), wire, "{name}");
        }
    }

    #[test]
    fn every_damaged_byte_under_a_checksum_is_noticed() {
        let (header, _) = header_of(&golden("v2-all-tlv"));
        let mut wire = BytesMut::new();
        encode_v2(&header, true, &mut wire).unwrap();
        assert_eq!(header_of(&wire).0, header);
        for position in 0..wire.len() {
            let mut damaged = wire.clone();
            damaged[position] ^= 0x01;
            let same = matches!(parse(&damaged), Ok(Parsed::Complete { header: read, .. }) if read == header);
            assert!(!same, "byte {position}");
        }
    }

    #[test]
    fn anything_else_is_refused_at_its_first_wrong_byte() {
        for wire in ["G", "GET / HTTP/1.1\r\n", "proxy ", "PROXYX", "PP", "\r\n\r\n\0\r\nQUIT ", "\0"] {
            assert_eq!(parse(wire.as_bytes()), Err(ProxyError::Missing), "{wire:?}");
        }
        assert_eq!(parse(b""), Ok(Parsed::Incomplete { need: 6 }));
        assert_eq!(parse(b"\r\n"), Ok(Parsed::Incomplete { need: 10 }));
    }

    #[test]
    fn mixed_families_are_written_as_ipv6() {
        let addresses = ip("192.0.2.1:1", "[2001:db8::1]:2");
        let mut wire = BytesMut::new();
        encode_v1(addresses.as_ref(), &mut wire);
        assert_eq!(&wire[..], b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n");
        let widened = ip("[::ffff:192.0.2.1]:1", "[2001:db8::1]:2");
        assert_eq!(header_of(&wire).0.addresses, widened);
        wire.clear();
        encode_v2(&Header { addresses, tlvs: vec![] }, false, &mut wire).unwrap();
        assert_eq!(header_of(&wire).0.addresses, widened);
    }

    #[test]
    fn unix_addresses_need_version_2() {
        let unix = Addresses::Unix { source: vec![], destination: b"/run/app.sock".to_vec() };
        let header = Header { addresses: Some(unix.clone()), tlvs: vec![] };
        let mut wire = BytesMut::new();
        encode_v2(&header, true, &mut wire).unwrap();
        assert_eq!(header_of(&wire).0, header);
        wire.clear();
        encode_v1(Some(&unix), &mut wire);
        assert_eq!(header_of(&wire).0, Header::default());
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut wire = golden("v2-all-tlv");
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let position = 12 + (seed as usize >> 8) % (wire.len() - 12);
            wire[position] = seed as u8;
            if let Ok(Parsed::Complete { consumed, .. }) = parse(&wire) {
                assert!((16..=wire.len()).contains(&consumed));
            }
        }
    }
}

//! Version 2: sixteen fixed bytes, addresses, extensions (`proxy-protocol.txt` section 2.2).
//!
//! ```text
//! 0..12   signature
//! 12      version (4 bits, 2), command (4 bits: 0 LOCAL, 1 PROXY)
//! 13      family (4 bits: 0 none, 1 IPv4, 2 IPv6, 3 Unix), transport (4 bits: 0 none, 1 stream, 2 datagram)
//! 14..16  bytes that follow, big-endian
//! 16..    source, destination, ports; then extensions
//! ```

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, BytesMut};

use super::{Addresses, EncodeError, Header, MAX_V2, Parsed, ProxyError, same_family, tlv};

/// What tells the version: bytes that no text protocol starts with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes before the addresses.
const FIXED: usize = 16;

/// Bytes of a Unix socket's path, padded with NUL.
const PATH: usize = 108;

/// Reads a header that starts with [`SIGNATURE`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let fixed = &bytes[..bytes.len().min(FIXED)];
    let command = fixed.get(12).map(|&byte| command(byte)).transpose()?;
    let family = fixed.get(13).map(|&byte| family(byte)).transpose()?;
    let (Some(command), Some(family), Some(&[high, low])) = (command, family, fixed.get(14..FIXED)) else {
        return Ok(Parsed::Incomplete { need: FIXED - fixed.len() });
    };
    let total = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if total > MAX_V2 {
        return Err(ProxyError::TooLong(total));
    }
    let Some(whole) = bytes.get(..total) else {
        return Ok(Parsed::Incomplete { need: total - bytes.len() });
    };
    let header = match (command, family) {
        (Command::Proxy, Some(family)) => content(whole, family)?,
        // The proxy speaks for itself, or does not know: whatever it adds has to be skipped.
        (Command::Local, _) | (Command::Proxy, None) => Header::default(),
    };
    Ok(Parsed::Complete { consumed: total, header })
}

#[derive(Clone, Copy)]
enum Command {
    Local,
    Proxy,
}

fn command(byte: u8) -> Result<Command, ProxyError> {
    match (byte >> 4, byte & 0x0f) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxy),
        (2, command) => Err(ProxyError::Command(command)),
        (version, _) => Err(ProxyError::Version(version)),
    }
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
    Unix,
}

/// The family of the addresses, if there are any. A datagram cannot come over a stream.
fn family(byte: u8) -> Result<Option<Family>, ProxyError> {
    match byte {
        0x00 | 0x01 | 0x10 | 0x20 | 0x30 => Ok(None),
        0x11 => Ok(Some(Family::V4)),
        0x21 => Ok(Some(Family::V6)),
        0x31 => Ok(Some(Family::Unix)),
        _ => Err(ProxyError::Family(byte)),
    }
}

/// Addresses and extensions of a whole header.
fn content(whole: &[u8], family: Family) -> Result<Header, ProxyError> {
    let body = &whole[FIXED..];
    let short = || ProxyError::TooShort(body.len());
    let (addresses, used) = match family {
        Family::V4 => (body.first_chunk().map(v4), 12),
        Family::V6 => (body.first_chunk().map(v6), 36),
        Family::Unix => (body.first_chunk().map(unix), 2 * PATH),
    };
    let addresses = addresses.ok_or_else(short)?;
    let tlvs = tlv::parse(whole, FIXED + used)?;
    Ok(Header { addresses: Some(addresses), tlvs })
}

fn v4(block: &[u8; 12]) -> Addresses {
    let &[a, b, c, d, e, f, g, h, sh, sl, dh, dl] = block;
    let end = |ip: [u8; 4], port| SocketAddr::new(Ipv4Addr::from(ip).into(), u16::from_be_bytes(port));
    Addresses::Ip { source: end([a, b, c, d], [sh, sl]), destination: end([e, f, g, h], [dh, dl]) }
}

fn v6(block: &[u8; 36]) -> Addresses {
    let end = |ip: usize, port: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&block[ip..ip + 16]);
        let port = u16::from_be_bytes([block[port], block[port + 1]]);
        SocketAddr::new(Ipv6Addr::from(octets).into(), port)
    };
    Addresses::Ip { source: end(0, 32), destination: end(16, 34) }
}

fn unix(block: &[u8; 2 * PATH]) -> Addresses {
    let path = |padded: &[u8]| padded.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
    Addresses::Unix { source: path(&block[..PATH]), destination: path(&block[PATH..]) }
}

/// Appends a header.
pub(super) fn encode(header: &Header, checksum: bool, dst: &mut BytesMut) -> Result<(), EncodeError> {
    let mut wire = BytesMut::with_capacity(128);
    wire.put_slice(SIGNATURE);
    wire.put_u8(if header.addresses.is_some() { 0x21 } else { 0x20 });
    put_addresses(header.addresses.as_ref(), &mut wire)?;
    if header.addresses.is_some() {
        tlv::encode(&header.tlvs, checksum, &mut wire)?;
    }
    let len = u16::try_from(wire.len() - FIXED).ok().filter(|_| wire.len() <= MAX_V2);
    let len = len.ok_or(EncodeError::TooLong(wire.len()))?;
    wire[14..FIXED].copy_from_slice(&len.to_be_bytes());
    if checksum && header.addresses.is_some() {
        tlv::seal(&mut wire);
    }
    dst.extend_from_slice(&wire);
    Ok(())
}

/// Appends family, a length to be filled in, and the addresses.
fn put_addresses(addresses: Option<&Addresses>, wire: &mut BytesMut) -> Result<(), EncodeError> {
    match addresses {
        None => wire.put_slice(&[0x00, 0, 0]),
        Some(&Addresses::Ip { source, destination }) => {
            let (source, destination) = same_family(source, destination);
            wire.put_slice(&[if source.is_ipv4() { 0x11 } else { 0x21 }, 0, 0]);
            for address in [source, destination] {
                match address {
                    SocketAddr::V4(address) => wire.put_slice(&address.ip().octets()),
                    SocketAddr::V6(address) => wire.put_slice(&address.ip().octets()),
                }
            }
            wire.put_u16(source.port());
            wire.put_u16(destination.port());
        }
        Some(Addresses::Unix { source, destination }) => {
            wire.put_slice(&[0x31, 0, 0]);
            for path in [source, destination] {
                let padding = PATH.checked_sub(path.len()).ok_or(EncodeError::Field(path.len(), PATH))?;
                wire.put_slice(path);
                wire.put_bytes(0, padding);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Tlv;
    use super::*;

    /// A header with this command byte, family byte, announced length and body.
    fn wire(command: u8, family: u8, len: u16, body: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[command, family], &len.to_be_bytes(), body].concat()
    }

    #[test]
    fn fixed_bytes_that_are_not_assigned_are_refused_before_the_rest_arrives() {
        let rows = [
            (0x11, 0x11, ProxyError::Version(1)),
            (0x31, 0x11, ProxyError::Version(3)),
            (0x01, 0x11, ProxyError::Version(0)),
            (0x22, 0x11, ProxyError::Command(0x2)),
            (0x2f, 0x11, ProxyError::Command(0xf)),
            (0x21, 0x12, ProxyError::Family(0x12)),
            (0x21, 0x22, ProxyError::Family(0x22)),
            (0x21, 0x13, ProxyError::Family(0x13)),
            (0x21, 0x41, ProxyError::Family(0x41)),
            (0x20, 0xff, ProxyError::Family(0xff)),
        ];
        for (command, family, error) in rows {
            assert_eq!(
                parse(&wire(command, family, 12, &[])),
                Err(error.clone()),
                "{command:#x} {family:#x}"
            );
            let known_at = if matches!(error, ProxyError::Family(_)) { 14 } else { 13 };
            assert_eq!(parse(&wire(command, family, 12, &[])[..known_at]), Err(error));
        }
    }

    #[test]
    fn local_and_unspecified_say_nothing_and_their_content_is_skipped() {
        for (command, family) in [(0x20, 0x00), (0x20, 0x11), (0x20, 0x31), (0x21, 0x00), (0x21, 0x10)] {
            for body in [&b""[..], b"whatever it is"] {
                let bytes = wire(command, family, body.len() as u16, body);
                let complete = Parsed::Complete { consumed: bytes.len(), header: Header::default() };
                assert_eq!(parse(&bytes), Ok(complete));
            }
        }
    }

    #[test]
    fn addresses_need_their_room() {
        for (family, room) in [(0x11, 12), (0x21, 36), (0x31, 216)] {
            for len in [0, 1, room - 1] {
                let bytes = wire(0x21, family, len as u16, &vec![0; len]);
                assert_eq!(parse(&bytes), Err(ProxyError::TooShort(len)));
            }
            let bytes = wire(0x21, family, room as u16, &vec![0; room]);
            assert!(matches!(parse(&bytes), Ok(Parsed::Complete { .. })), "{family:#x}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_when_announced() {
        let most = MAX_V2 - FIXED;
        assert_eq!(parse(&wire(0x20, 0, most as u16, b"")), Ok(Parsed::Incomplete { need: most }));
        assert_eq!(parse(&wire(0x20, 0, most as u16 + 1, b"")), Err(ProxyError::TooLong(MAX_V2 + 1)));
        assert_eq!(parse(&wire(0x21, 0x11, 0xffff, b"")), Err(ProxyError::TooLong(FIXED + 0xffff)));
    }

    #[test]
    fn nothing_is_written_of_what_is_too_long() {
        let ip = Addresses::Ip { source: ([1; 4], 1).into(), destination: ([2; 4], 2).into() };
        let path = Addresses::Unix { source: vec![b'/'; PATH + 1], destination: vec![] };
        let header = |addresses: &Addresses, tlvs| Header { addresses: Some(addresses.clone()), tlvs };
        let large = vec![Tlv::Other(0xe0, vec![0; MAX_V2])];
        let huge = vec![Tlv::Other(0xe0, vec![0; 0x1_0000])];
        let rows = [
            (header(&path, vec![]), EncodeError::Field(PATH + 1, PATH)),
            (header(&ip, large), EncodeError::TooLong(FIXED + 12 + 3 + MAX_V2)),
            (header(&ip, huge), EncodeError::Field(0x1_0000, 0xffff)),
            (header(&ip, vec![Tlv::UniqueId(vec![0; 129])]), EncodeError::Field(129, 128)),
        ];
        for (header, error) in rows {
            let mut dst = BytesMut::new();
            assert_eq!(encode(&header, false, &mut dst), Err(error));
            assert!(dst.is_empty());
        }
    }
}

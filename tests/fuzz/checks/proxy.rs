//! The PROXY header: every prefix of it, and headers that the bytes describe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BytesMut;
use wireworks::proto::proxy::{
    Addresses, EncodeError, Header, MAX_UNIQUE_ID, MAX_V2, Parsed, Ssl, Tlv, encode_v1, encode_v2, parse,
};

use super::Choices;

/// Checks the parser on `wire`, and the round trip of a header made from its bytes; says whether `wire` begins with a
/// whole header.
pub(crate) fn check(wire: &[u8]) -> bool {
    round_trip(&mut Choices(wire));
    let parsed = parse(wire);
    prefixes_are_honest(wire, consumed(&parsed));
    let Ok(Parsed::Complete { consumed, header }) = parsed else {
        return false;
    };
    assert_eq!(
        parse(&wire[..consumed]),
        Ok(Parsed::Complete { consumed, header: header.clone() }),
        "what follows a header does not change it"
    );
    is_encodable(&header);
    true
}

fn consumed<E>(parsed: &Result<Parsed, E>) -> Option<usize> {
    match parsed {
        Ok(Parsed::Complete { consumed, .. }) => Some(*consumed),
        _ => None,
    }
}

/// A part of a header is never whole; it asks for bytes, at least one and never too many; and an error is final.
fn prefixes_are_honest(wire: &[u8], whole: Option<usize>) {
    let mut wrong = 0;
    let mut promised = 0;
    for end in 0..whole.unwrap_or(wire.len()) {
        match parse(&wire[..end]) {
            Ok(Parsed::Incomplete { need }) => {
                assert_eq!(wrong, 0, "an error that was none at {end}");
                assert!(need > 0);
                assert!(end + need <= MAX_V2, "asks for more than a header can have");
                assert!(whole.is_none_or(|whole| end + need <= whole), "asks for {need} at {end}");
                promised = promised.max(end + need);
            }
            Ok(Parsed::Complete { .. }) => panic!("{end} bytes are a part, or the whole is"),
            Err(_) if whole.is_some() => panic!("an error in a good header"),
            // Some more, to see that it stays wrong.
            Err(_) if wrong == 8 => return,
            Err(_) => wrong += 1,
        }
    }
    assert!(whole.is_none_or(|whole| promised <= whole));
}

/// What was read can be written, and is then read again; unless a limit is in the way.
fn is_encodable(header: &Header) {
    for checksum in [false, true] {
        let mut wire = BytesMut::new();
        match encode_v2(header, checksum, &mut wire) {
            Ok(()) => {}
            // A checksum that was not there before.
            Err(EncodeError::TooLong(_)) if checksum => continue,
            Err(error) => panic!("{error}"),
        }
        // With a checksum, there may be one extension more than is read.
        if !checksum || header.tlvs.len() < 60 {
            is_read_as(&wire, header);
        }
    }
}

fn is_read_as(wire: &[u8], header: &Header) {
    let whole = Parsed::Complete { consumed: wire.len(), header: header.clone() };
    assert_eq!(parse(wire).as_ref(), Ok(&whole));
    assert_eq!(parse(&[wire, b"GET / HTTP/1.1\r\n"].concat()).as_ref(), Ok(&whole));
}

/// Headers that the bytes describe are read as they were meant, in both versions.
fn round_trip(choices: &mut Choices<'_>) {
    let header = header(choices);
    let checksum = choices.flag();
    let mut wire = BytesMut::new();
    encode_v2(&header, checksum, &mut wire).unwrap();
    is_read_as(&wire, &header);
    prefixes_are_honest(&wire, Some(wire.len()));

    wire.clear();
    encode_v1(header.addresses.as_ref(), &mut wire);
    let ends = header.addresses.filter(|ends| matches!(ends, Addresses::Ip { .. }));
    let header = Header { addresses: ends, tlvs: Vec::new() };
    is_read_as(&wire, &header);
    prefixes_are_honest(&wire, Some(wire.len()));
}

fn header(choices: &mut Choices<'_>) -> Header {
    let addresses = match choices.below(4) {
        0 => None,
        1 => Some(Addresses::Ip { source: v4(choices), destination: v4(choices) }),
        2 => Some(Addresses::Ip { source: v6(choices), destination: v6(choices) }),
        _ => Some(Addresses::Unix { source: socket_path(choices), destination: socket_path(choices) }),
    };
    // A proxy that speaks for itself says nothing else.
    let count = if addresses.is_some() { choices.below(8) } else { 0 };
    let mut tlvs: Vec<Tlv> = Vec::new();
    for _ in 0..count {
        let tlv = tlv(choices);
        let again = |other: &Tlv| std::mem::discriminant(other) == std::mem::discriminant(&tlv);
        if matches!(tlv, Tlv::Other(..)) || !tlvs.iter().any(again) {
            tlvs.push(tlv);
        }
    }
    Header { addresses, tlvs }
}

fn bytes<const N: usize>(choices: &mut Choices<'_>) -> [u8; N] {
    std::array::from_fn(|_| choices.byte())
}

fn v4(choices: &mut Choices<'_>) -> SocketAddr {
    let ip = IpAddr::V4(Ipv4Addr::from(bytes::<4>(choices)));
    SocketAddr::new(ip, u16::from_be_bytes(bytes(choices)))
}

fn v6(choices: &mut Choices<'_>) -> SocketAddr {
    let ip = IpAddr::V6(Ipv6Addr::from(bytes::<16>(choices)));
    SocketAddr::new(ip, u16::from_be_bytes(bytes(choices)))
}

fn socket_path(choices: &mut Choices<'_>) -> Vec<u8> {
    let path = choices.some().iter().copied();
    path.take_while(|&byte| byte != 0).take(108).collect()
}

fn tlv(choices: &mut Choices<'_>) -> Tlv {
    let kind = choices.below(6);
    let value = choices.some();
    let text = || String::from_utf8_lossy(value).into_owned();
    match kind {
        0 => Tlv::Alpn(value.to_vec()),
        1 => Tlv::Authority(text()),
        2 => Tlv::UniqueId(value[..value.len().min(MAX_UNIQUE_ID)].to_vec()),
        3 => Tlv::Netns(value.to_vec()),
        4 => Tlv::Ssl(Ssl {
            client: choices.byte(),
            verify: u32::from_be_bytes(bytes(choices)),
            fields: vec![(0x21, text().into_bytes()), (0x25, value.to_vec())],
        }),
        _ => Tlv::Other(0xe0 + value.len() as u8 % 16, value.to_vec()),
    }
}

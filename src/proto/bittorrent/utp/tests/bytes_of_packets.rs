//! The header and its extensions, byte by byte.

use super::super::Utp;
use super::super::header::{Fault, Header, Kind, Packet, widen};

const HEADER: Header = Header {
    kind: Kind::Data,
    connection: 0x1234,
    timestamp: 0x0102_0304,
    difference: 0x0506_0708,
    window: 0x0010_0000,
    sequence: 0xfffe,
    ack: 0x0a0b,
};

const BYTES: [u8; 20] =
    [0x01, 0x00, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0x00, 0x10, 0x00, 0x00, 0xff, 0xfe, 0x0a, 0x0b];

fn with(kind: u8, extension: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = BYTES.to_vec();
    (bytes[0], bytes[1]) = (kind << 4 | 1, extension);
    bytes.extend_from_slice(rest);
    bytes
}

#[test]
fn a_header_has_twenty_bytes() {
    let mut written = Vec::new();
    HEADER.write_bare(&mut written);
    assert_eq!(written, BYTES);
    for (number, kind) in (0..).zip([Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn]) {
        let bytes = with(number, 0, b"payload");
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!(packet.header, Header { kind, ..HEADER });
        assert_eq!((&bytes[packet.payload..], packet.mask), (&b"payload"[..], None));
        assert!(Utp::is_packet(&bytes));
    }
}

/// The first extension, what is behind the header, the mask and the payload.
type Chain = (u8, &'static [u8], Option<&'static [u8]>, &'static [u8]);

#[test]
fn extensions_are_a_chain() {
    let cases: &[Chain] = &[
        (1, &[0, 4, 1, 2, 3, 4], Some(&[1, 2, 3, 4]), b""),
        (1, &[0, 4, 1, 2, 3, 4, b'x'], Some(&[1, 2, 3, 4]), b"x"),
        // libtorrent's masks have as many bytes as they need.
        (1, &[0, 1, 0x80, b'x'], Some(&[0x80]), b"x"),
        (1, &[0, 0, b'x'], Some(&[]), b"x"),
        // uTorrent sends "extension bits", libtorrent a reason for closing.
        (2, &[0, 8, 0, 0, 0, 0, 0, 0, 0, 0], None, b""),
        (2, &[1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 5, 6, 0, 1, 9, b'x'], Some(&[5, 6]), b"x"),
        (0xff, &[0, 0], None, b""),
    ];
    for (extension, rest, mask, payload) in cases {
        let bytes = with(2, *extension, rest);
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!(packet.mask, *mask, "{rest:?}");
        assert_eq!(&bytes[packet.payload..], *payload, "{rest:?}");
        // Every part of it is refused, down to nothing; but for a payload, which may be cut.
        for length in 0..packet.payload {
            assert!(Packet::read(&bytes[..length]).is_err(), "{length} of {rest:?}");
        }
    }
    let mut written = Vec::new();
    HEADER.write_with_mask(&[1, 2, 3, 4], &mut written);
    assert_eq!(written, with(0, 1, &[0, 4, 1, 2, 3, 4]));
}

#[test]
fn what_is_no_packet() {
    let at = |id, at| Fault::Extension { id, at };
    let cases: &[(Vec<u8>, Fault)] = &[
        (Vec::new(), Fault::Short(0)),
        (BYTES[..19].to_vec(), Fault::Short(19)),
        (with(5, 0, b""), Fault::Kind(5)),
        (with(15, 0, b""), Fault::Kind(15)),
        (vec![0; 20], Fault::Version(0)),
        (vec![b'd'; 20], Fault::Version(4)),
        (with(0, 1, b""), at(1, 20)),
        (with(0, 1, &[0]), at(1, 20)),
        (with(0, 1, &[0, 4, 1, 2, 3]), at(1, 20)),
        (with(0, 1, &[7, 1, 9]), at(7, 23)),
        (with(0, 9, &[9, 0, 9, 0, 9, 255]), at(9, 24)),
    ];
    for (bytes, fault) in cases {
        assert_eq!(Packet::read(bytes), Err(*fault), "{bytes:?}");
    }
    // What shares the socket: a message of the DHT, and an answer of a tracker.
    assert!(!Utp::is_packet(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"));
    assert!(!Utp::is_packet(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]));
    assert!(!Utp::is_packet(&BYTES[..19]) && !Utp::is_packet(b""));
}

#[test]
fn numbers_begin_again() {
    for (near, wire, wide) in [
        (0x1_0000_0005u64, 6u16, 0x1_0000_0006u64),
        (0x1_0000_fffe, 0xffff, 0x1_0000_ffff),
        (0x1_0000_fffe, 0, 0x1_0001_0000),
        (0x1_0001_0000, 0xffff, 0x1_0000_ffff),
        (0x1_0001_0000, 0x7fff, 0x1_0001_7fff),
        (0x1_0001_0000, 0x8000, 0x1_0000_8000),
        (0x1_0000_0000, 0xff00, 0x0_ffff_ff00),
    ] {
        assert_eq!(widen(near, wire), wide, "{wire:#x} near {near:#x}");
    }
}

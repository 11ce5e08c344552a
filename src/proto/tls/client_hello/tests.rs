//! ClientHellos of rustls and OpenSSL, cut and mended; and everything that is none.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// What rustls says first.
fn real(name: &str, alpn: &[&[u8]], versions: &[&'static rustls::SupportedProtocolVersion]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let mut config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut wire = Vec::new();
    client.write_tls(&mut wire).expect("memory takes it");
    wire
}

fn found(sni: Option<&str>, alpn: &[&[u8]]) -> Peek {
    Peek::Found(ClientHello {
        sni: sni.map(str::to_owned),
        alpn: alpn.iter().map(|name| name.to_vec()).collect(),
    })
}

/// The message of one record in records of so many bytes.
fn in_records_of(wire: &[u8], size: usize) -> Vec<u8> {
    let record = |content: &[u8]| {
        let length = (content.len() as u16).to_be_bytes();
        [&[0x16, 0x03, 0x01, length[0], length[1]], content].concat()
    };
    wire[RECORD_HEAD..].chunks(size).flat_map(record).collect()
}

#[track_caller]
fn every_prefix_needs_more(wire: &[u8]) {
    for end in 0..wire.len() {
        let Peek::NeedMore(more) = peek(&wire[..end]) else { panic!("{end} of {} bytes", wire.len()) };
        assert!((1..=wire.len() - end).contains(&more), "{more} more than {end} of {} bytes", wire.len());
    }
}

#[test]
fn real_ones() {
    const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    const OLD: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    let long = "a".repeat(200);
    for (name, alpn, versions, expected) in [
        ("example.com", &[][..], BOTH, found(Some("example.com"), &[])),
        ("EXAMPLE.com", &[&b"h2"[..], b"http/1.1"], BOTH, found(Some("example.com"), &[b"h2", b"http/1.1"])),
        ("a-b.c_d.example", &[b"\x00\xff"], OLD, found(Some("a-b.c_d.example"), &[b"\x00\xff"])),
        ("127.0.0.1", &[b"acme-tls/1"], BOTH, found(None, &[b"acme-tls/1"])),
        ("::1", &[], OLD, found(None, &[])),
        ("example.com", &[long.as_bytes(); 60], BOTH, found(Some("example.com"), &[long.as_bytes(); 60])),
    ] {
        let wire = real(name, alpn, versions);
        assert_eq!(peek(&wire), expected, "{name}");
        (0..wire.len().min(2_000))
            .for_each(|end| assert!(matches!(peek(&wire[..end]), Peek::NeedMore(_)), "{end}"));
        // What follows does not matter, whatever it is.
        assert_eq!(peek(&[&wire[..], b"\x14\x03\x03\x00\x01\x01\x17\x03"].concat()), expected, "{name}");
    }
}

#[test]
fn in_many_records() {
    let wire = real("example.com", &[b"h2"], &[&rustls::version::TLS13]);
    let expected = found(Some("example.com"), &[b"h2"]);
    for size in [1, 2, 3, 4, 5, 7, 64, 100] {
        let wire = in_records_of(&wire, size);
        assert_eq!(peek(&wire), expected, "records of {size}");
        every_prefix_needs_more(&wire);
    }
    // Another type of record between its parts is an error (RFC 8446 section 5.1).
    let mut torn = in_records_of(&wire, 100);
    torn.splice(105..105, *b"\x14\x03\x03\x00\x01\x01");
    assert_eq!(peek(&torn), Peek::NotTls(NotTls::OtherProtocol));
}

#[test]
fn those_of_other_programs() {
    for (name, expected) in [
        ("openssl-3", found(Some("example.com"), &[b"h2", b"http/1.1"])),
        ("openssl-tls12", found(Some("shop.example.com"), &[])),
        ("openssl-no-sni", found(None, &[])),
        ("chromium", found(Some("localhost"), &[b"h2", b"http/1.1"])),
    ] {
        let path = format!("{}/tests/data/fuzz/client_hello/ok-{name}", env!("CARGO_MANIFEST_DIR"));
        let wire = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(peek(&wire), expected, "{name}");
        every_prefix_needs_more(&wire);
    }
}

/// A message of these extensions, in a record.
fn with_extensions(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let extension = |(kind, value): &(u16, &[u8])| [&kind.to_be_bytes()[..], &long(value)].concat();
    let extensions: Vec<u8> = extensions.iter().flat_map(extension).collect();
    with_body(&[&[3, 3][..], &[7; 32], &[0], &long(&[0x13, 0x01]), &[1, 0], &long(&extensions)].concat())
}

fn with_body(body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[0x01], &length[1..], body].concat();
    let length = (message.len() as u16).to_be_bytes();
    [&[0x16, 0x03, 0x01], &length[..], &message].concat()
}

/// The extension with this name.
fn sni(name: &[u8]) -> Vec<u8> {
    let (list, name_length) = ((name.len() as u16 + 3).to_be_bytes(), (name.len() as u16).to_be_bytes());
    [&list[..], &[0], &name_length, name].concat()
}

#[test]
fn extensions() {
    let (host, other) = (sni(b"a.example"), sni(b"b.example"));
    let long_name = [&b"a.".repeat(126)[..], b"a"].concat();
    assert_eq!(long_name.len(), 253);
    let long_found = String::from_utf8(long_name.clone()).expect("letters");
    let not = Peek::NotTls;
    for (extensions, expected) in [
        (&[][..], found(None, &[])),
        (&[(0, &host[..])], found(Some("a.example"), &[])),
        // GREASE, before, between and after, and in the list of protocols.
        (
            &[
                (0x0a0a, b""),
                (16, b"\x00\x08\x02\x0a\x0a\x02h2\x01x"),
                (0xdada, b"\x00"),
                (0, &host),
                (0xfafa, b""),
            ],
            found(Some("a.example"), &[b"h2", b"x"]),
        ),
        (&[(16, b"\x00\x06\x02\x0a\x1a\x02\x1b\x1b")], found(None, &[b"\x0a\x1a", b"\x1b\x1b"])),
        (&[(0, &host), (0, &other)], not(NotTls::Twice)),
        (&[(16, b"\x00\x03\x02h2"), (16, b"\x00\x03\x02h2")], not(NotTls::Twice)),
        (&[(5, b""), (5, b"")], found(None, &[])),
        // Names.
        (&[(0, &sni(b"A.Example."))], found(Some("a.example"), &[])),
        (&[(0, &sni(&long_name))], found(Some(&long_found), &[])),
        (&[(0, &sni(&[&long_name[..], b"a"].concat()))], not(NotTls::Name)),
        (&[(0, &sni(b""))], not(NotTls::Name)),
        (&[(0, &sni(b"."))], not(NotTls::Name)),
        (&[(0, &sni(b"a..b"))], not(NotTls::Name)),
        (&[(0, &sni(b".a"))], not(NotTls::Name)),
        (&[(0, &sni(b"a b"))], not(NotTls::Name)),
        (&[(0, &sni(b"a\0.example"))], not(NotTls::Name)),
        (&[(0, &sni(b"a/b"))], not(NotTls::Name)),
        (&[(0, &sni("\u{e4}.example".as_bytes()))], not(NotTls::Name)),
        // Lists.
        (&[(0, b"")], not(NotTls::Malformed)),
        (&[(0, b"\x00\x00")], not(NotTls::Malformed)),
        (&[(0, b"\x00\x04\x01\x00\x01a")], not(NotTls::Malformed)),
        (&[(0, b"\x00\x04\x00\x00\x02a")], not(NotTls::Malformed)),
        (&[(0, b"\x00\x04\x00\x00\x01ab")], not(NotTls::Malformed)),
        (&[(0, b"\x00\x08\x00\x00\x01a\x00\x00\x01b")], not(NotTls::Malformed)),
        (&[(16, b"")], not(NotTls::Malformed)),
        (&[(16, b"\x00\x00")], not(NotTls::Malformed)),
        (&[(16, b"\x00\x01\x00")], not(NotTls::Malformed)),
        (&[(16, b"\x00\x03\x03h2")], not(NotTls::Malformed)),
        (&[(16, b"\x00\x03\x02h2x")], not(NotTls::Malformed)),
    ] {
        let wire = with_extensions(extensions);
        assert_eq!(peek(&wire), expected, "{extensions:?}");
        every_prefix_needs_more(&wire);
    }
}

#[test]
fn bodies() {
    let head = [&[3, 3][..], &[7; 32]].concat();
    let with = |rest: &[u8]| with_body(&[&head[..], rest].concat());
    let session =
        |length: u8| [&[length][..], &vec![9; usize::from(length)], &[0, 2, 0x13, 1, 1, 0]].concat();
    let malformed = Peek::NotTls(NotTls::Malformed);
    for (wire, expected) in [
        // Without extensions, as before they were invented.
        (with(b"\x00\x00\x02\x13\x01\x01\x00"), found(None, &[])),
        (with(&session(32)), found(None, &[])),
        (with(&session(33)), malformed.clone()),
        (with(b"\x00\x00\x00\x01\x00"), malformed.clone()),
        (with(b"\x00\x00\x03\x13\x01\x00\x01\x00"), malformed.clone()),
        (with(b"\x00\x00\x02\x13\x01\x00"), malformed.clone()),
        (with(b"\x00\x00\x02\x13\x01\x01\x00\x00\x01"), malformed.clone()),
        (with(b"\x00\x00\x02\x13\x01\x01\x00\x00\x00\x00"), malformed.clone()),
        (with(b"\x00\x00\x02\x13\x01\x01\x00\x00\x03\x00\x05\x00"), malformed.clone()),
        (with(b""), malformed.clone()),
        (with_body(b""), malformed.clone()),
        (with_body(&[&[9, 9][..], &[7; 32], b"\x00\x00\x02\x13\x01\x01\x00"].concat()), found(None, &[])),
    ] {
        assert_eq!(peek(&wire), expected, "{wire:x?}");
    }
}

#[test]
fn what_is_no_client_hello_is_refused_at_the_byte_that_says_so() {
    for (wire, at, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], 1, NotTls::OtherProtocol),
        (b"SSH-2.0-x\r\n", 1, NotTls::OtherProtocol),
        (b"\x15\x03\x03\x00\x02\x02\x28", 1, NotTls::OtherProtocol),
        (b"\x80\x2e\x01\x03\x01", 1, NotTls::OtherProtocol), // SSL 2.0
        (b"\x16\x02\x00", 2, NotTls::OtherProtocol),
        (b"\x16\xfe\xfd", 2, NotTls::OtherProtocol), // DTLS
        (b"\x16\x03\x01\x00\x00", 5, NotTls::RecordLength),
        (b"\x16\x03\x01\x40\x01", 5, NotTls::RecordLength),
        (b"\x16\x03\x01\x00\x05\x02", 6, NotTls::OtherMessage),
        (b"\x16\x03\x01\x00\x05\x01\x00\x40\x01", 9, NotTls::TooLong),
        (b"\x16\x03\x01\x00\x02\x01\x00\x15", 8, NotTls::OtherProtocol),
    ] {
        for end in 0..wire.len() {
            let seen = peek(&wire[..end]);
            let fits =
                if end < at { matches!(seen, Peek::NeedMore(_)) } else { seen == Peek::NotTls(expected) };
            assert!(fits, "{end} bytes of {wire:x?}: {seen:?}");
        }
        assert_eq!(peek(wire), Peek::NotTls(expected), "{wire:x?}");
    }
}

#[test]
fn how_long_it_may_be() {
    let padding = |length: usize| with_extensions(&[(21, &vec![0; length])]);
    let overhead = padding(0).len() - RECORD_HEAD - MESSAGE_HEAD;
    // One record holds a message of 16 KiB with its head less; two hold it.
    let longest = padding(MAX_HELLO - overhead);
    let longest = in_records_of(&longest, 10_000);
    assert_eq!(peek(&longest), found(None, &[]));
    let longer = in_records_of(&padding(MAX_HELLO - overhead + 1), 10_000);
    assert_eq!(peek(&longer), Peek::NotTls(NotTls::TooLong));
    // In records of a byte, it takes six times as much, and is given up in time.
    let tiny = in_records_of(&padding(8_000), 1);
    assert_eq!(peek(&tiny[..MAX_WIRE - 1]), Peek::NeedMore(1));
    assert_eq!(peek(&tiny[..MAX_WIRE]), Peek::NotTls(NotTls::TooLong));
    assert_eq!(peek(&tiny), Peek::NotTls(NotTls::TooLong));
}

/// Pieces of one byte, in records of one byte: the cost of looking must not grow with the square of the length.
#[test]
fn few_looks_are_enough() {
    let wire = in_records_of(&real("example.com", &[b"h2"], &[&rustls::version::TLS13]), 1);
    let (mut end, mut looks) = (0, 0);
    while let Peek::NeedMore(more) = peek(&wire[..end]) {
        (end, looks) = (end + more, looks + 1);
    }
    assert!(end <= wire.len() && looks < 100, "{looks} looks at {} bytes", wire.len());
    assert_eq!(peek(&wire[..end]), found(Some("example.com"), &[b"h2"]));
}

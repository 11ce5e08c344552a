use bytes::BytesMut;

use super::*;
use crate::codec::{Codec as _, Outbox};
use crate::proto::ws::codec::Codec;
use crate::proto::ws::limits::Limits;
use crate::proto::ws::message::{Incoming, Message, Outgoing};
use crate::proto::ws::reject::Reject;

fn agreed(takeover: bool, bits: u8) -> Agreed {
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_window_bits: bits,
        client_window_bits: bits,
    };
    Agreed { params, level: 6, threshold: 0 }
}

/// Text that compresses, and differs from call to call.
fn words(seed: u64, n: usize) -> String {
    let mut state = seed;
    let mut text = String::new();
    while text.len() < n {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(["alpha ", "beta ", "gamma ", "δέλτα "][(state >> 33) as usize % 4]);
    }
    text
}

fn wire_of(codec: &mut Codec, message: &Message) -> Vec<u8> {
    let mut out = Outbox::new();
    codec.encode(Outgoing::Message(message.clone()), &mut out).unwrap();
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

fn hear(codec: &mut Codec, wire: &[u8], piece: usize) -> Vec<Message> {
    let mut src = BytesMut::new();
    let mut heard = Vec::new();
    for piece in wire.chunks(piece) {
        src.extend_from_slice(piece);
        while let Some(item) = codec.decode(&mut src).unwrap() {
            let Incoming::Message(message) = item else { panic!("{item:?}") };
            heard.push(message);
        }
    }
    heard
}

#[test]
fn what_is_compressed_is_read_at_the_other_end() {
    for takeover in [true, false] {
        for bits in MIN_WINDOW_BITS..=MAX_WINDOW_BITS {
            for piece in [1, 7, 4096] {
                let limits = Limits::default();
                let mut server = Codec::server(limits).deflate(agreed(takeover, bits));
                let mut client = Codec::client(limits, [3; 32]).deflate(agreed(takeover, bits));
                for (seed, size) in [(1, 10), (2, 1000), (3, 100_000), (4, 0), (5, 1), (6, 3000)] {
                    for message in [Message::from(words(seed, size)), words(seed, size).into_bytes().into()] {
                        let wire = wire_of(&mut server, &message);
                        assert_eq!(
                            hear(&mut client, &wire, piece),
                            std::slice::from_ref(&message),
                            "{takeover} {bits} {piece}"
                        );
                        let wire = wire_of(&mut client, &message);
                        assert_eq!(hear(&mut server, &wire, piece), [message]);
                    }
                }
            }
        }
    }
}

#[test]
fn with_takeover_a_message_leans_on_the_last() {
    let message = Message::from(words(9, 2000));
    let sizes = |takeover| {
        let mut codec = Codec::server(Limits::default()).deflate(agreed(takeover, 15));
        (wire_of(&mut codec, &message).len(), wire_of(&mut codec, &message).len())
    };
    let (first, second) = sizes(true);
    assert!(second * 5 < first, "{first} {second}");
    let (first, second) = sizes(false);
    assert_eq!(first, second);
}

#[test]
fn short_messages_are_sent_as_they_are() {
    let mut codec = Codec::server(Limits::default()).deflate(Agreed { threshold: 100, ..agreed(true, 15) });
    assert_eq!(wire_of(&mut codec, &"a".repeat(99).into())[0], 0x81);
    assert_eq!(wire_of(&mut codec, &"a".repeat(100).into())[0], 0xc1);
    let mut codec = Codec::server(Limits::default()).deflate(agreed(true, 15));
    assert_eq!(wire_of(&mut codec, &"".into()), b"\x81\x00");
}

/// The examples of RFC 7692 section 7.2.3, as a client hears them.
#[test]
fn the_examples_of_the_rfc() {
    let hello = [Message::from("Hello")];
    let table: &[&[u8]] = &[
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",                 // 7.2.3.1
        b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",         // 7.2.3.1, fragmented
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", // 7.2.3.3, no compression
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",             // 7.2.3.4, BFINAL
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", // 7.2.3.5, two blocks
    ];
    for wire in table {
        for piece in 1..=wire.len() {
            let mut client = Codec::client(Limits::default(), [0; 32]).deflate(agreed(true, 15));
            assert_eq!(hear(&mut client, wire, piece), hello, "{wire:02x?}");
        }
    }
    // 7.2.3.2: the second message leans on the first.
    let mut client = Codec::client(Limits::default(), [0; 32]).deflate(agreed(true, 15));
    let twice = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
    assert_eq!(hear(&mut client, twice, 3), [hello.clone(), hello].concat());
}

fn end_of(wire: &[u8], limits: Limits, piece: usize) -> Result<(), Reject> {
    let mut client = Codec::client(limits, [0; 32]).deflate(agreed(true, 15));
    let mut src = BytesMut::new();
    for piece in wire.chunks(piece) {
        src.extend_from_slice(piece);
        loop {
            match client.decode(&mut src) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(crate::proto::ws::codec::WsError::Peer(reject)) => return Err(reject),
                Err(error) => panic!("{error}"),
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_wrong_with_compressed_messages() {
    let limits = Limits::default();
    for (wire, reject) in [
        (&b"\xc1\x03\xff\xff\xff"[..], Reject::BadDeflate),
        (b"\xc1\x05\xf2\x00\x11\x00\x00", Reject::BadDeflate), // leans on nothing
        (b"\x41\x01\xf2\xc0\x01\x00", Reject::ReservedBits),   // section 6.1: the first frame alone says it
        (b"\xc9\x00", Reject::ReservedBits),
        (b"\xc1\x06\x00\x01\x00\xfe\xff\xff", Reject::TextNotUtf8),
        // Section 7.2.1: an end within a block. No byte at all, all but the last one, a stored block that is cut.
        (b"\xc1\x00", Reject::BadDeflate),
        (b"\xc1\x06\xf2\x48\xcd\xc9\xc9\x07", Reject::BadDeflate),
        (b"\xc1\x04\xf2\x48\xcd\xc9", Reject::BadDeflate),
        (b"\xc2\x0a\x00\x0d\x00\xf2\xff\x48\x65\x6c\x6c\x6f", Reject::BadDeflate),
        (b"\xc2\x07\x00\x05\x00\xfa\xff\x48\x65", Reject::BadDeflate),
    ] {
        for piece in [1, 100] {
            assert_eq!(end_of(wire, limits, piece), Err(reject), "{wire:02x?}");
        }
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    let mut server = Codec::server(Limits::default()).deflate(agreed(true, 15));
    let wire = wire_of(&mut server, &vec![0; 10_000_000].into());
    assert!(wire.len() < 20_000);
    let limits = Limits { message: 100_000, ..Limits::default() };
    assert_eq!(end_of(&wire, limits, wire.len()), Err(Reject::MessageTooLong { limit: 100_000 }));
    assert_eq!(end_of(&wire, Limits { message: 10_000_000, ..limits }, 100), Ok(()));
    assert_eq!(
        end_of(&wire, Limits { message: 9_999_999, ..limits }, 100),
        Err(Reject::MessageTooLong { limit: 9_999_999 })
    );
}

#[test]
fn bad_text_is_refused_before_the_message_is_whole() {
    let mut server = Codec::server(Limits::default()).deflate(agreed(true, 15));
    let wire = wire_of(&mut server, &Message::from([&b"ok "[..], b"\xff", &[b'x'; 3000]].concat()));
    let mut text = wire.clone();
    text[0] = 0xc1;
    assert_eq!(end_of(&text[..wire.len() - 1], Limits::default(), 1), Err(Reject::TextNotUtf8));
    assert_eq!(end_of(&wire, Limits::default(), 1), Ok(()));
}

#[test]
fn offers_and_what_a_client_makes_of_answers() {
    use crate::proto::ws::handshake::extension::extensions;
    let terms = |memory, server, client| Terms {
        memory,
        server_window_bits: server,
        client_window_bits: client,
        ..Terms::default()
    };
    let own = |takeover: (bool, bool), bits: (u8, u8)| Params {
        server_no_context_takeover: takeover.0,
        client_no_context_takeover: takeover.1,
        server_window_bits: bits.0,
        client_window_bits: bits.1,
    };
    let dedicated = terms(Memory::Dedicated, 15, 15);
    let shared = terms(Memory::Shared, 15, 15);
    let small = terms(Memory::Dedicated, 11, 12);
    for (terms, said) in [
        (dedicated, "permessage-deflate; client_max_window_bits"),
        (
            shared,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
        (small, "permessage-deflate; server_max_window_bits=11; client_max_window_bits=12"),
    ] {
        assert_eq!(offer(&terms).0, said);
    }
    for (terms, answer, expected) in [
        (dedicated, "permessage-deflate", Some(own((false, false), (15, 15)))),
        (dedicated, "permessage-deflate; server_no_context_takeover", Some(own((true, false), (15, 15)))),
        (dedicated, "permessage-deflate; client_no_context_takeover", Some(own((false, true), (15, 15)))),
        (dedicated, "permessage-deflate; server_max_window_bits=8", Some(own((false, false), (8, 15)))),
        (dedicated, "permessage-deflate; client_max_window_bits=9", Some(own((false, false), (15, 9)))),
        (shared, "permessage-deflate; server_no_context_takeover", Some(own((true, true), (15, 15)))),
        (small, "permessage-deflate; server_max_window_bits=11", Some(own((false, false), (11, 12)))),
        (
            small,
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=15",
            Some(own((false, false), (10, 12))),
        ),
        (shared, "permessage-deflate", None),
        (small, "permessage-deflate", None),
        (small, "permessage-deflate; server_max_window_bits=12", None),
        (dedicated, "permessage-deflate; client_max_window_bits", None),
        (dedicated, "permessage-deflate; client_max_window_bits=8", None),
    ] {
        let head = [("Sec-WebSocket-Extensions", answer)];
        let extensions = extensions(&head[..]).unwrap();
        let parsed = parse(&extensions[0]).unwrap().unwrap();
        assert_eq!(accept(&parsed, &offer(&terms).1, &terms), expected, "{answer}");
    }
}

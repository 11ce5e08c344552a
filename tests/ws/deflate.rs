//! RFC 7692 sections 5 to 8: `permessage-deflate`, agreed on and used.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use wireworks::proto::ws::deflate::{Memory, Terms};
use wireworks::server::ws::{Limits, Settings, Upgrade};

use super::peer::{Peer, Stand, frame, is_refused};

/// A server that compresses all it can.
fn stand(memory: Memory) -> Stand {
    let terms = Terms { memory, threshold: 0, ..Terms::default() };
    Stand::of(Upgrade::new().deflate(terms))
}

/// A socket whose client has made this offer, and what the server answered.
#[track_caller]
fn offering(stand: &Stand, offer: &str) -> (Peer, String) {
    let (peer, response) = stand.open_with(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    let answer = response.header("sec-websocket-extensions").unwrap_or_default().to_owned();
    (peer, answer)
}

/// What a message is compressed to, by zlib and not by ours.
fn deflated(compress: &mut Compress, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 1000);
    compress.compress_vec(content, &mut out, FlushCompress::Sync).unwrap();
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn inflated(decompress: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    decompress.decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
    out
}

const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

#[test]
fn r49_compression_is_used_only_when_it_was_offered_and_answered() {
    let stand = stand(Memory::Shared);
    let (mut peer, response) = stand.open_with("");
    assert_eq!(response.header("sec-websocket-extensions"), None);
    peer.is_heard();
    is_refused(&stand, &frame(0xc1, HELLO), 1002);
    let (mut peer, answer) = offering(&stand, "permessage-deflate");
    assert!(answer.starts_with("permessage-deflate"), "{answer}");
    peer.say(0xc1, HELLO);
    let (first, payload) = peer.hear();
    assert_eq!((first, inflated(&mut Decompress::new(false), &payload)), (0xc1, b"Hello".to_vec()));
}

#[test]
fn r50_offers_with_parameters_that_are_wrong_are_declined() {
    let stand = stand(Memory::Dedicated);
    for parameters in [
        "unknown",
        "unknown=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=09",
        "server_max_window_bits=10; server_max_window_bits=11",
    ] {
        let (mut peer, answer) = offering(&stand, &format!("permessage-deflate; {parameters}"));
        assert_eq!(answer, "", "{parameters}");
        peer.is_heard();
    }
}

#[test]
fn r51_the_first_offer_that_will_do_is_taken() {
    let stand = stand(Memory::Dedicated);
    for (offers, answer) in [
        ("permessage-deflate; x, permessage-deflate", "permessage-deflate"),
        (
            "x-other, permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
    ] {
        assert_eq!(offering(&stand, offers).1, answer, "{offers}");
    }
}

#[test]
fn r52_a_server_that_is_asked_to_forget_its_messages_forgets_them() {
    let stand = stand(Memory::Dedicated);
    let offer = "permessage-deflate; server_no_context_takeover";
    let (mut peer, answer) = offering(&stand, offer);
    assert_eq!(answer, offer);
    let text = b"a text that would be short, if the last one counted";
    for _ in 0..3 {
        peer.say(0x81, text);
        let (first, payload) = peer.hear();
        assert_eq!((first, inflated(&mut Decompress::new(false), &payload)), (0xc1, text.to_vec()));
    }
}

#[test]
fn r53_a_server_may_have_its_client_forget_too() {
    let sharing = stand(Memory::Shared);
    let (mut peer, answer) = offering(&sharing, "permessage-deflate");
    assert_eq!(answer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    for _ in 0..2 {
        peer.say(0xc1, HELLO);
        let (_, payload) = peer.hear();
        assert_eq!(inflated(&mut Decompress::new(false), &payload), b"Hello");
    }
    let stand = stand(Memory::Dedicated);
    let (_, answer) = offering(&stand, "permessage-deflate; client_no_context_takeover");
    assert_eq!(answer, "permessage-deflate; client_no_context_takeover");
}

/// More than a window of 12 bits, and less than one of 13.
const APART: usize = 5000;

/// Bytes that come again so far behind.
fn far_apart() -> Vec<u8> {
    let mut state = 1_u32;
    let noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = std::iter::repeat_with(noise).take(APART).collect();
    [&noise[..], &noise, &noise].concat()
}

#[test]
fn r54_a_server_keeps_to_the_window_that_it_was_asked_for() {
    let stand = stand(Memory::Dedicated);
    for bits in 9..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let (mut peer, answer) = offering(&stand, &offer);
        assert_eq!(answer, offer);
        let mut decompress = Decompress::new(false);
        let content = far_apart();
        for _ in 0..2 {
            peer.say(0x82, &content);
            let (first, payload) = peer.hear();
            assert_eq!(first, 0xc2);
            assert!(inflated(&mut decompress, &payload) == content, "{bits}");
            // Only a window that reaches back to the first occurrence can make anything of the next.
            let reaches = 1 << bits > APART;
            assert_eq!(payload.len() < 2 * APART, reaches, "{bits}: {} bytes", payload.len());
        }
    }
}

#[test]
fn r55_a_client_is_told_of_its_window_only_if_it_has_mentioned_it() {
    let terms = Terms { memory: Memory::Dedicated, client_window_bits: 11, threshold: 0, ..Terms::default() };
    let stand = Stand::of(Upgrade::new().deflate(terms));
    for (parameters, told) in [
        ("", ""),
        ("; client_max_window_bits", "; client_max_window_bits=11"),
        ("; client_max_window_bits=13", "; client_max_window_bits=11"),
        ("; client_max_window_bits=10", "; client_max_window_bits=10"),
    ] {
        let (mut peer, answer) = offering(&stand, &format!("permessage-deflate{parameters}"));
        assert_eq!(answer, format!("permessage-deflate{told}"));
        let bits = told.split('=').nth(1).map_or(15, |bits| bits.parse().unwrap());
        let mut compress = Compress::new_with_window_bits(Compression::best(), false, bits);
        let content = far_apart();
        let mut decompress = Decompress::new(false);
        for _ in 0..2 {
            peer.say(0xc2, &deflated(&mut compress, &content));
            let (_, payload) = peer.hear();
            assert!(inflated(&mut decompress, &payload) == content, "{parameters}");
        }
    }
}

/// Refuses these frames of a client that has agreed on compression.
#[track_caller]
fn refused(stand: &Stand, wire: &[u8], code: u16) {
    let (mut peer, _) = offering(stand, "permessage-deflate");
    peer.wire.send(wire);
    peer.hears_close(code);
    assert!(stand.end().is_err());
}

#[test]
fn r56_the_bit_of_compression_is_on_the_first_frame_and_on_no_control_frame() {
    let stand = stand(Memory::Shared);
    let (front, back) = HELLO.split_at(3);
    let (mut peer, _) = offering(&stand, "permessage-deflate");
    peer.wire.send([frame(0x41, front), frame(0x89, b"p"), frame(0x80, back)].concat());
    peer.hears(0x8a, b"p");
    assert_eq!(inflated(&mut Decompress::new(false), &peer.hear().1), b"Hello");
    refused(&stand, &[frame(0x41, front), frame(0xc0, back)].concat(), 1002);
    refused(&stand, &[frame(0x01, b"a"), frame(0xc0, b"b")].concat(), 1002);
    refused(&stand, &frame(0xc9, b""), 1002);
    refused(&stand, &frame(0xc8, b"\x03\xe8"), 1002);
    refused(&stand, &frame(0xa1, HELLO), 1002);
}

#[test]
fn r57_messages_that_are_not_compressed_go_between_those_that_are() {
    let stand = stand(Memory::Dedicated);
    let (mut peer, _) = offering(&stand, "permessage-deflate");
    let mut compress = Compress::new(Compression::default(), false);
    let mut decompress = Decompress::new(false);
    for round in 0..6 {
        let text = b"the same words again and again";
        match round % 2 {
            0 => peer.say(0xc1, &deflated(&mut compress, text)),
            _ => peer.say(0x81, text),
        }
        assert_eq!(inflated(&mut decompress, &peer.hear().1), text);
    }
}

#[test]
fn r58_a_compressed_message_ends_without_the_last_four_bytes() {
    let stand = stand(Memory::Shared);
    let (mut peer, _) = offering(&stand, "permessage-deflate");
    for content in [vec![b'a'; 1], vec![b'b'; 70_000], far_apart(), (0..=255).collect()] {
        peer.say(0x82, &content);
        let (first, payload) = peer.hear();
        assert_eq!(first, 0xc2);
        assert!(!payload.ends_with(&[0, 0, 0xff, 0xff]));
        assert!(inflated(&mut Decompress::new(false), &payload) == content);
    }
    // An empty one is shorter as it is.
    peer.say(0x81, b"");
    peer.hears(0x81, b"");
}

#[test]
fn r59_every_kind_of_block_is_read() {
    let stand = stand(Memory::Shared);
    let (mut peer, _) = offering(&stand, "permessage-deflate");
    for payload in [
        HELLO,
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", // stored
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",             // says that it is the last
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", // two of them
    ] {
        peer.say(0xc1, payload);
        assert_eq!(inflated(&mut Decompress::new(false), &peer.hear().1), b"Hello", "{payload:02x?}");
    }
    // Section 7.2.3.6: nothing, compressed.
    peer.say(0xc1, b"\x00");
    peer.hears(0x81, b"");
}

#[test]
fn r60_with_context_a_message_leans_on_those_before_both_ways() {
    let stand = stand(Memory::Dedicated);
    let (mut peer, answer) = offering(&stand, "permessage-deflate");
    assert_eq!(answer, "permessage-deflate");
    // Section 7.2.3.2.
    peer.say(0xc1, HELLO);
    let mut decompress = Decompress::new(false);
    let (_, first) = peer.hear();
    assert_eq!(inflated(&mut decompress, &first), b"Hello");
    peer.say(0xc1, b"\xf2\x00\x11\x00\x00");
    let (_, second) = peer.hear();
    assert_eq!(inflated(&mut decompress, &second), b"Hello");
    assert!(second.len() < first.len(), "{second:02x?} is not shorter than {first:02x?}");
}

#[test]
fn r61_what_cannot_be_decompressed_is_refused_with_1007() {
    let stand = stand(Memory::Shared);
    for payload in [
        &b"\xff\xff\xff"[..],         // no such kind of block
        b"\x00\x05\x00\x00\x00Hello", // a stored block whose length is not said twice
        b"\xf2\x00\x11\x00\x00",      // leans on a message that does not count
        b"",                          // no block
        b"\xf2\x48\xcd\xc9",          // half a block
    ] {
        refused(&stand, &frame(0xc1, payload), 1007);
    }
    refused(&stand, &[frame(0x41, b"\xff"), frame(0x80, b"\xff\xff")].concat(), 1007);
}

#[test]
fn r62_text_is_checked_decompressed() {
    let stand = stand(Memory::Shared);
    let mut compress = Compress::new(Compression::default(), false);
    let payload = deflated(&mut compress, b"ok \xff and more");
    refused(&stand, &frame(0xc1, &payload), 1007);
    let (mut peer, _) = offering(&stand, "permessage-deflate");
    peer.say(0xc2, &payload);
    assert_eq!(inflated(&mut Decompress::new(false), &peer.hear().1), b"ok \xff and more");
}

#[test]
fn r63_a_bomb_is_refused_with_1009() {
    let limits = Limits { message: 10_000, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    for memory in [Memory::Shared, Memory::Dedicated] {
        let terms = Terms { memory, threshold: 0, ..Terms::default() };
        let stand = Stand::of(Upgrade::new().deflate(terms).settings(settings.clone()));
        let bomb = |size| deflated(&mut Compress::new(Compression::best(), false), &vec![0; size]);
        assert!(bomb(1_000_000).len() < 2000);
        refused(&stand, &frame(0xc2, &bomb(1_000_000)), 1009);
        refused(&stand, &frame(0xc2, &bomb(10_001)), 1009);
        let (mut peer, _) = offering(&stand, "permessage-deflate");
        peer.say(0xc2, &bomb(10_000));
        assert!(inflated(&mut Decompress::new(false), &peer.hear().1) == [0; 10_000]);
    }
}

#[test]
fn connections_beyond_those_that_may_have_compressors_share_them() {
    let terms = Terms { memory: Memory::Dedicated, threshold: 0, ..Terms::default() };
    let stand = Stand::of(Upgrade::new().deflate(terms).max_contexts(1));
    let own = "permessage-deflate";
    let shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let (mut first, answer) = offering(&stand, own);
    assert_eq!(answer, own);
    let (mut second, answer) = offering(&stand, own);
    assert_eq!(answer, shared);
    for peer in [&mut first, &mut second] {
        peer.say(0xc1, HELLO);
        assert_eq!(inflated(&mut Decompress::new(false), &peer.hear().1), b"Hello");
    }
    // The place of one that has ended is free.
    first.say(0x88, b"");
    drop(first);
    assert_eq!(stand.end().unwrap(), None);
    assert_eq!(offering(&stand, own).1, own);
}

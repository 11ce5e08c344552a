//! Section 5.4: messages in several frames.

use super::peer::{Stand, frame, is_refused};

#[test]
fn r21_fragments_make_one_message() {
    let stand = Stand::new();
    let mut peer = stand.open();
    for pieces in [
        &[&b"Hel"[..], b"lo"][..],
        &[b"", b"Hello"],
        &[b"Hello", b""],
        &[b"H", b"", b"e", b"l", b"", b"lo"],
        &[b"", b"", b""],
    ] {
        for opcode in [0x01, 0x02] {
            let last = pieces.len() - 1;
            let mut wire = frame(opcode, pieces[0]);
            for (index, piece) in pieces.iter().enumerate().skip(1) {
                wire.extend(frame(if index == last { 0x80 } else { 0x00 }, piece));
            }
            peer.wire.send(wire);
            peer.hears(0x80 | opcode, &pieces.concat());
        }
    }
    // Many, and long ones: what stays in place, and what does not.
    let content = vec![b'x'; 300_000];
    for size in [100, 4096, 140_000] {
        let pieces: Vec<_> = content.chunks(size).collect();
        let mut wire = frame(0x02, pieces[0]);
        pieces[1..].iter().for_each(|piece| wire.extend(frame(0x00, piece)));
        wire.extend(frame(0x80, b"end"));
        peer.wire.send(wire);
        peer.hears(0x82, &[&content[..], b"end"].concat());
    }
}

#[test]
fn r22_control_frames_between_fragments_count_at_once() {
    let stand = Stand::new();
    let mut peer = stand.open();
    peer.say(0x01, b"frag");
    peer.say(0x89, b"now");
    // Before the message is whole.
    peer.hears(0x8a, b"now");
    peer.say(0x8a, b"unasked");
    peer.say(0x00, b"men");
    peer.say(0x89, b"");
    peer.hears(0x8a, b"");
    peer.say(0x80, b"ts");
    peer.hears(0x81, b"fragments");
    peer.say(0x01, b"never whole");
    peer.say(0x88, b"\x03\xe8");
    peer.hears_close(1000);
}

#[test]
fn r23_messages_are_not_interleaved() {
    let stand = Stand::new();
    for wire in [
        frame(0x80, b"a"),
        frame(0x00, b"a"),
        [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
        [frame(0x01, b"a"), frame(0x02, b"b")].concat(),
        [frame(0x02, b"a"), frame(0x89, b""), frame(0x82, b"b")].concat(),
        [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat(),
    ] {
        let mut peer = stand.open();
        peer.wire.send(&wire);
        loop {
            // Messages and pongs before the fault are answered.
            let (first, payload) = peer.hear();
            if first == 0x88 {
                assert_eq!(payload[..2], 1002_u16.to_be_bytes(), "{wire:02x?}");
                break;
            }
        }
        peer.wire.expect_close();
    }
    is_refused(&stand, &frame(0x00, b""), 1002);
}

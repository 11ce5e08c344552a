//! Section 5.5: control frames, and what answers them.

use super::peer::{KEY, Stand, frame, is_refused};

#[test]
fn r24_control_frames_are_short_and_whole() {
    let stand = Stand::new();
    for opcode in [0x08, 0x09, 0x0a] {
        is_refused(&stand, &frame(opcode, b""), 1002);
        // Before the long form says how long.
        is_refused(&stand, &[0x80 | opcode, 0xfe], 1002);
        is_refused(&stand, &[&[0x80 | opcode, 0xfe, 0, 126][..], &KEY, &[0; 126]].concat(), 1002);
        is_refused(&stand, &[0x80 | opcode, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 1002);
    }
}

#[test]
fn r25_a_ping_is_answered_with_its_content() {
    let stand = Stand::new();
    let mut peer = stand.open();
    for content in [&b""[..], b"a", &[0xff; 125]] {
        peer.say(0x89, content);
        peer.hears(0x8a, content);
    }
    peer.is_heard();
}

#[test]
fn r26_no_pong_follows_a_close_frame() {
    let stand = Stand::new();
    let mut peer = stand.open();
    peer.wire.send([frame(0x88, b"\x03\xe8"), frame(0x89, b"late")].concat());
    peer.hears_close(1000);
}

#[test]
fn r28_a_pong_that_nobody_asked_for_is_not_answered() {
    let stand = Stand::new();
    let mut peer = stand.open();
    for content in [&b""[..], b"unasked", &[0; 125]] {
        peer.say(0x8a, content);
        peer.is_heard();
    }
}

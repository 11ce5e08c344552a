//! Section 10: limits, and peers that speak something else.

use wireworks::server::ws::{Limits, Settings, Upgrade};

use super::peer::{Stand, frame, is_refused};

fn limited() -> Stand {
    let limits = Limits { frame: 1000, message: 1500, empty_frames: 3 };
    Stand::of(Upgrade::new().settings(Settings { limits, ..Settings::default() }))
}

#[test]
fn r45_what_is_too_big_is_refused_with_1009() {
    let stand = limited();
    let mut peer = stand.open();
    peer.say(0x82, &[1; 1000]);
    peer.hears(0x82, &[1; 1000]);
    peer.wire.send([frame(0x02, &[2; 1000]), frame(0x80, &[2; 500])].concat());
    peer.hears(0x82, &[2; 1500]);
    is_refused(&stand, &frame(0x82, &[1; 1001]), 1009);
    is_refused(&stand, &[frame(0x01, &[b'a'; 1000]), frame(0x80, &[b'a'; 501])].concat(), 1009);
}

#[test]
fn r46_a_length_is_refused_when_it_is_announced() {
    let stand = Stand::new();
    // No byte of the payload follows, and no memory is taken for it.
    is_refused(&stand, &[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 1009);
    is_refused(&stand, &[0x81, 0xff, 0, 0, 0, 0, 0x01, 0, 0, 0x01, 0, 0, 0, 0], 1009);
}

#[test]
fn r47_frames_that_bring_nothing_are_limited() {
    let stand = limited();
    let empty = frame(0x00, b"");
    let mut peer = stand.open();
    peer.wire.send([frame(0x01, b"a"), empty.repeat(3), frame(0x80, b"b")].concat());
    peer.hears(0x81, b"ab");
    is_refused(&stand, &[frame(0x01, b"a"), empty.repeat(4)].concat(), 1008);
}

#[test]
fn r48_another_protocol_is_not_mistaken_for_frames() {
    let stand = Stand::new();
    is_refused(&stand, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1002);
    is_refused(&stand, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1002);
}

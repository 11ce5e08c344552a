//! Sections 5.6 and 8.1: text is UTF-8, and bytes are bytes.

use super::peer::{KEY, Stand, frame, is_refused};

#[test]
fn r29_text_and_bytes_come_back_as_they_went() {
    let stand = Stand::new();
    let mut peer = stand.open();
    for text in
        ["", "a", "κόσμε", "\0", "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}", "\u{d7ff}\u{e000}"]
    {
        peer.say(0x81, text.as_bytes());
        peer.hears(0x81, text.as_bytes());
    }
    let bytes: Vec<u8> = (0..=255).collect();
    peer.say(0x82, &bytes);
    peer.hears(0x82, &bytes);
    // A character may be cut by fragments.
    peer.wire.send([frame(0x01, b"\xf0"), frame(0x00, b"\x9f\x98"), frame(0x80, b"\x80")].concat());
    peer.hears(0x81, "\u{1f600}".as_bytes());
}

#[test]
fn r30_text_that_is_not_utf8_is_refused() {
    let stand = Stand::new();
    for bad in [
        &b"\x80"[..],
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xfe",
        b"ok\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
    ] {
        is_refused(&stand, &frame(0x81, bad), 1007);
        is_refused(&stand, &[frame(0x01, b"ok"), frame(0x80, bad)].concat(), 1007);
        let (front, back) = bad.split_at(bad.len() / 2);
        is_refused(&stand, &[frame(0x01, front), frame(0x80, back)].concat(), 1007);
    }
}

#[test]
fn r31_bad_text_is_refused_before_the_frame_is_whole() {
    let stand = Stand::new();
    for first in [0x81, 0x01] {
        let bad = frame(first, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited");
        let mut peer = stand.open();
        peer.wire.send_split(&bad[..2 + KEY.len() + 13], 2 + KEY.len() + 12);
        peer.hears_close(1007);
    }
}

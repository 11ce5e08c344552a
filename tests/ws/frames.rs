//! Sections 5.1 to 5.3: masks, bits, opcodes and lengths.

use super::peer::{KEY, Stand, frame, is_refused, masked, plain};

#[test]
fn r13_a_frame_of_a_client_that_is_not_masked_is_refused() {
    let stand = Stand::new();
    for wire in [plain(0x81, b"a"), plain(0x82, b""), plain(0x89, b""), plain(0x88, b"\x03\xe8")] {
        is_refused(&stand, &wire, 1002);
    }
}

#[test]
fn r14_a_server_masks_nothing() {
    let stand = Stand::new();
    let mut peer = stand.open();
    peer.wire.send([frame(0x81, b"a"), frame(0x82, b"b"), frame(0x89, b"c"), frame(0x88, b"")].concat());
    // The pong leaves when it is owed, and the messages one by one.
    let mut heard: Vec<_> = (0..4).map(|_| peer.hear().0).collect();
    heard.sort_unstable();
    assert_eq!(heard, [0x81, 0x82, 0x88, 0x8a]);
}

#[test]
fn r15_reserved_bits_are_refused() {
    let stand = Stand::new();
    for first in [0xc1, 0xa1, 0x91, 0xf2, 0xc9, 0x98] {
        is_refused(&stand, &frame(first, b"a"), 1002);
    }
    is_refused(&stand, &[frame(0x01, b"a"), frame(0xc0, b"b")].concat(), 1002);
}

#[test]
fn r16_reserved_opcodes_are_refused() {
    let stand = Stand::new();
    for opcode in (3..8).chain(11..16) {
        is_refused(&stand, &frame(0x80 | opcode, b""), 1002);
    }
}

#[test]
fn r17_lengths_of_every_form_are_read_and_written() {
    let stand = Stand::new();
    let mut peer = stand.open();
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000] {
        let content: Vec<u8> = (0..=250).cycle().take(length).collect();
        peer.say(0x82, &content);
        // What is heard back has its length in the shortest form.
        peer.hears(0x82, &content);
    }
}

#[test]
fn r18_a_length_that_is_not_in_its_shortest_form_is_refused() {
    let stand = Stand::new();
    for head in [
        &[0x82, 0xfe, 0, 0][..],
        &[0x82, 0xfe, 0, 125],
        &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
    ] {
        is_refused(&stand, &[head, &KEY].concat(), 1002);
    }
}

#[test]
fn r19_a_length_with_its_highest_bit_set_is_refused() {
    let stand = Stand::new();
    for byte in [0x80, 0xff] {
        is_refused(&stand, &[0x82, 0xff, byte, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], 1002);
    }
}

#[test]
fn r20_any_key_is_undone() {
    let stand = Stand::new();
    let mut peer = stand.open();
    for key in [[0; 4], [0xff; 4], [1, 2, 3, 4], [0x80, 0, 0, 0x01]] {
        for length in (0..70).chain([1000, 4099]) {
            let content: Vec<u8> = (0..=255).cycle().take(length).collect();
            peer.wire.send(masked(0x82, &content, key));
            peer.hears(0x82, &content);
        }
    }
}

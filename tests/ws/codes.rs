//! Section 7.4: codes.

use super::peer::{Stand, frame, is_refused};

#[test]
fn r40_codes_that_must_not_be_sent_are_refused() {
    let stand = Stand::new();
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        is_refused(&stand, &frame(0x88, &code.to_be_bytes()), 1002);
    }
}

#[test]
fn r41_codes_that_may_be_sent_are_taken() {
    let stand = Stand::new();
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        let code: u16 = code;
        let mut peer = stand.open();
        peer.say(0x88, &code.to_be_bytes());
        peer.hears_close(code);
        assert_eq!(stand.end().unwrap().unwrap().code().get(), code);
    }
}

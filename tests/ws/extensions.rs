//! Section 9: extensions are agreed on, or not used.

use wireworks::proto::ws::deflate::Terms;
use wireworks::server::ws::Upgrade;

use super::peer::{Stand, request};

fn deflating() -> Stand {
    Stand::of(Upgrade::new().deflate(Terms::default()))
}

#[test]
fn r42_an_extension_that_is_not_known_is_declined() {
    for stand in [Stand::new(), deflating()] {
        for offer in
            ["x-unknown", "x-unknown; a=1, y-other", "permessage-bzip2; level=9", "permessage_deflate"]
        {
            let (mut peer, response) = stand.open_with(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
            assert_eq!(response.header("sec-websocket-extensions"), None, "{offer}");
            peer.is_heard();
        }
    }
}

#[test]
fn r43_offers_may_stand_on_several_lines_and_have_quoted_values() {
    let stand = deflating();
    for lines in [
        "Sec-WebSocket-Extensions: x-unknown\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        "sec-websocket-extensions: x; a=\"b\" , permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: PERMESSAGE-DEFLATE\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate ; server_max_window_bits = \"15\"\r\n",
    ] {
        let (_, response) = stand.open_with(lines);
        let taken = response.headers_named("sec-websocket-extensions");
        assert!(taken.len() == 1 && taken[0].starts_with("permessage-deflate"), "{lines}: {taken:?}");
    }
}

#[test]
fn r44_offers_that_break_the_grammar_are_refused() {
    let stand = deflating();
    for offer in ["permessage-deflate;", "a b", "; x", "permessage-deflate; =1", "x; a=\"b c\"", "x; a=\""] {
        let response = stand.ask(request(&format!("Sec-WebSocket-Extensions: {offer}\r\n")));
        assert_eq!(response.status, 400, "{offer}");
    }
}

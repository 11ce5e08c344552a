//! What a conversation says about its connection.

use super::screen::escaped;
use crate::proto::ws::deflate::{Agreed, Params};
use crate::server::ws::{CloseReason, Socket};

/// Where we are, and what was agreed on.
pub(super) fn connected(url: &str, socket: &Socket) -> String {
    let mut text = format!("connected to {url}");
    if let Some(name) = socket.subprotocol() {
        text = format!("{text}, subprotocol {name}");
    }
    match socket.compression() {
        Some(Agreed { params, .. }) => format!("{text}, {}", compression(params)),
        None => text,
    }
}

fn compression(params: &Params) -> String {
    let memory = match (params.client_no_context_takeover, params.server_no_context_takeover) {
        (false, false) => "dedicated",
        (true, true) => "shared",
        (true, false) => "dedicated by the server",
        (false, true) => "dedicated by us",
    };
    let (ours, theirs) = (params.client_window_bits, params.server_window_bits);
    if ours == theirs {
        format!("compression {memory}, window {ours}")
    } else {
        format!("compression {memory}, window {ours} out and {theirs} in")
    }
}

/// The server has closed.
pub(super) fn closed(reason: Option<&CloseReason>) -> String {
    format!("the server closed with {}", or_none(reason))
}

/// We have closed, and this is what the server said to it.
pub(super) fn closed_by_us(reason: Option<&CloseReason>) -> String {
    format!("closed with {}", or_none(reason))
}

fn or_none(reason: Option<&CloseReason>) -> String {
    reason.map_or("no code".into(), words)
}

/// A code and its reason.
pub(super) fn words(reason: &CloseReason) -> String {
    let code = reason.code();
    match reason.reason() {
        "" => code.to_string(),
        text => format!("{code}: {}", escaped(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ws::CloseCode;

    fn reason(code: u16, text: &str) -> CloseReason {
        CloseReason::new(CloseCode::new(code).unwrap(), text)
    }

    #[test]
    fn a_code_and_a_reason() {
        assert_eq!(words(&reason(1000, "")), "1000 (normal closure)");
        assert_eq!(words(&reason(4001, "no \x1b[1m\nway")), "4001: no \\u{1b}[1m\\nway");
        assert_eq!(closed(Some(&reason(1001, "bye"))), "the server closed with 1001 (going away): bye");
        assert_eq!(closed_by_us(None), "closed with no code");
    }

    #[test]
    fn compression_as_it_was_agreed_on() {
        let rows = [
            (false, false, 15, 15, "compression dedicated, window 15"),
            (true, true, 9, 9, "compression shared, window 9"),
            (true, false, 15, 12, "compression dedicated by the server, window 15 out and 12 in"),
            (false, true, 9, 15, "compression dedicated by us, window 9 out and 15 in"),
        ];
        for (ours, theirs, client, server, expected) in rows {
            let params = Params {
                client_no_context_takeover: ours,
                server_no_context_takeover: theirs,
                client_window_bits: client,
                server_window_bits: server,
            };
            assert_eq!(compression(&params), expected);
        }
    }
}

//! What is typed at one door is never a command, a line or an escape sequence at the other.

use serde_json::{Value, json};

use super::Server;
use crate::support::wire::Wire;

/// Ends a line wherever one might be, and goes on with a command.
const LINES: &str = "x\r\nINJECTED 1\nINJECTED 2\rINJECTED 3";

/// Requests with such a text in every field that is free text, a name or a list of them.
fn requests(text: &str, message: &Value) -> Vec<Value> {
    let room = "#room";
    vec![
        json!({"t": "send", "room": room, "text": text}),
        json!({"t": "send", "room": room, "text": "x", "reply": message, "cid": text}),
        json!({"t": "send", "room": "ivan", "text": text}),
        json!({"t": "edit", "room": room, "message": message, "text": text}),
        json!({"t": "react", "room": room, "message": message, "reaction": text}),
        json!({"t": "topic", "room": room, "topic": text}),
        json!({"t": "delete", "room": room, "message": message, "reason": text}),
        json!({"t": "kick", "room": room, "name": "kate", "reason": text}),
        json!({"t": "kick", "room": room, "name": text}),
        json!({"t": "list", "room": room, "list": "bans", "mask": text, "reason": text}),
        json!({"t": "list", "room": room, "list": "bans", "mask": "nobody", "reason": text}),
        json!({"t": "set", "room": room, "key": text}),
        json!({"t": "profile", "display": text}),
        json!({"t": "profile", "about": text}),
        json!({"t": "presence", "presence": "away", "status": text}),
        json!({"t": "create", "room": format!("#{text}")}),
        json!({"t": "join", "room": format!("#{text}")}),
        json!({"t": "invite", "room": room, "name": text}),
        json!({"t": "leave", "room": room, "reason": text}),
    ]
}

#[test]
fn a_text_of_the_web_is_no_line_of_irc() {
    for text in [LINES, "\u{1b}[2J\u{7}", "a\0b", "\u{85}INJECTED\u{2028}INJECTED"] {
        let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0", "--server-name", "irc.test"]);
        let mut web = server.account("wanda");
        let mut kate = server.account("kate");
        web.asks(json!({"t": "create", "room": "#room"}));
        kate.asks(json!({"t": "join", "room": "#room"}));
        let mut irc = server.irc();
        irc.says(
            "CAP REQ :message-tags echo-message server-time draft/message-redaction away-notify setname",
        );
        irc.says("NICK ivan");
        irc.says("USER ivan 0 * :ivan");
        irc.says("CAP END");
        irc.says("JOIN #room");
        irc.hears("366");
        let message = web.asks(json!({"t": "send", "room": "#room", "text": "x"}))["id"].clone();
        for request in requests(text, &message) {
            // It may be refused, or be done in a harmless way.
            web.tries(request);
        }
        irc.says("WHO #room");
        irc.says("WHOIS wanda");
        irc.says("PING :all was told");
        let lines = irc.until("PONG irc.test :all was told");
        assert!(lines.iter().any(|line| line.contains("PRIVMSG #room")), "{lines:?}");
        for line in &lines {
            assert!(!line.starts_with("INJECTED"), "{line:?} of {text:?}");
            assert!(!line.contains(['\r', '\n', '\0']), "{line:?} of {text:?}");
        }
    }
}

#[test]
fn a_line_of_irc_is_one_text_of_the_web() {
    let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0"]);
    let mut web = server.account("wanda");
    web.asks(json!({"t": "create", "room": "#room"}));
    let mut irc = server.registered("ivan");
    irc.says("JOIN #room");
    for (line, expected) in [
        ("PRIVMSG #room :\"},{\"t\":\"close\"}", "\"},{\"t\":\"close\"}"),
        ("PRIVMSG #room :\\u0022\\", "\\u0022\\"),
        ("PRIVMSG #room :<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("PRIVMSG #room :a\rPRIVMSG #room :b", "b"),
    ] {
        irc.says(line);
        if expected == "b" {
            // A lone carriage return ends a line, too, in what old clients send.
            assert_eq!(web.hears_a("message")["text"], "a", "{line:?}");
        }
        assert_eq!(web.hears_a("message")["text"], expected, "{line:?}");
    }
}

#[test]
fn a_header_of_the_handshake_is_not_echoed() {
    let server = Server::start();
    let mut wire = Wire::connect(server.addr);
    wire.send(super::client::handshake("X-Y: a\r\nSec-WebSocket-Protocol: evil\r\n"));
    let response = wire.read_response();
    assert_eq!(response.header("sec-websocket-protocol"), Some("chat.v1.json"));
}

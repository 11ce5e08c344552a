//! What a client says at each door: how it comes into a room, and what it sends there.

use crate::units::Units;

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// JSON over WebSocket, as wireworks has it.
    Json,
    /// A WebSocket whose path names the room, and whose messages are passed on to it.
    Topic,
    /// IRC over TCP.
    Irc,
}

/// What is sent, and what has to come before the next step is taken.
pub(crate) type Step = (Vec<u8>, &'static [u8]);

impl Door {
    /// The way of the member of this number into a room.
    pub(crate) fn steps(self, member: usize, room: usize) -> Vec<Step> {
        match self {
            Self::Json => vec![
                (upgrade("/chat"), br#""t":"hello""#),
                (masked(&format!(r#"{{"t":"guest","id":1,"name":"m{member}"}}"#)), br#""re":1"#),
                (masked(&format!(r##"{{"t":"join","id":2,"room":"#r{room}"}}"##)), br#""re":2"#),
            ],
            Self::Topic => vec![(upgrade(&format!("/r{room}")), br#""t":"hello""#)],
            Self::Irc => vec![
                (format!("NICK m{member}\r\nUSER m{member} 0 * :m\r\n").into_bytes(), b" 001 "),
                (format!("JOIN #r{room}\r\n").into_bytes(), b" 366 "),
            ],
        }
    }

    /// What a connection hears first.
    pub(crate) fn units(self) -> Units {
        match self {
            Self::Json | Self::Topic => Units::Head(0),
            Self::Irc => Units::Lines,
        }
    }

    /// A message of so many bytes of text to a room.
    pub(crate) fn message(self, room: usize, size: usize) -> Vec<u8> {
        let text = "x".repeat(size);
        match self {
            Self::Json | Self::Topic => {
                masked(&format!(r##"{{"t":"send","room":"#r{room}","text":"{text}"}}"##))
            }
            Self::Irc => format!("PRIVMSG #r{room} :{text}\r\n").into_bytes(),
        }
    }

    /// Whether something comes back to whoever has sent a message: the message, or that it is kept.
    pub(crate) fn answers(self) -> bool {
        self != Self::Irc
    }

    /// What shows that a client is there, before it is asked.
    pub(crate) fn alive(self) -> &'static [u8] {
        match self {
            Self::Json | Self::Topic => &[0x8a, 0x80, 0, 0, 0, 0],
            Self::Irc => b"PONG x\r\n",
        }
    }

    /// What shows that a silent connection is still served, and what answers it.
    pub(crate) fn probe(self) -> Step {
        match self {
            Self::Json => (masked(r#"{"t":"ping","id":3}"#), br#""re":3"#),
            // A ping of WebSocket: the answer is an empty pong.
            Self::Topic => (vec![0x89, 0x80, 0, 0, 0, 0], b"\x8a\x00"),
            Self::Irc => (b"PING x\r\n".to_vec(), b"PONG"),
        }
    }
}

fn upgrade(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A text frame as a client sends it.
pub(crate) fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    let key = [0x12, 0x34, 0x56, 0x78];
    frame.extend(key);
    frame.extend(text.bytes().zip(key.into_iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

//! Lines of IRC: the same ones however the bytes arrive, and messages that can be written and read again.

use bytes::BytesMut;
use wireworks::codec::Codec;
use wireworks::proto::irc::line::{Heard, Lines, MAX_BODY, MAX_CLIENT_TAGS};
use wireworks::proto::irc::message::Message;
use wireworks::proto::irc::mode;
use wireworks::proto::irc::tags::{escape, unescape};
use wireworks::proto::irc::text;
use wireworks::proto::irc::write::Line;

use super::arrivals;

/// Checks the codec and the parser on `wire`; says whether it holds messages, and nothing else.
pub(crate) fn check(wire: &[u8]) -> bool {
    let mut heard: Option<Vec<Heard>> = None;
    for pieces in arrivals(wire) {
        let now = hear(&pieces);
        assert!(heard.as_ref().is_none_or(|before| *before == now), "lines depend on how they arrive");
        heard = Some(now);
    }
    let heard = heard.unwrap_or_default();
    let texts = heard.iter().map(|item| match item {
        Heard::Line(text) => Some(text.as_str()),
        Heard::TooLong | Heard::Flood | Heard::NotUtf8(_) | Heard::Nul => None,
    });
    let sound: Vec<bool> = texts.map(|text| text.is_some_and(is_message)).collect();
    !sound.is_empty() && sound.iter().all(|sound| *sound)
}

fn hear(pieces: &[&[u8]]) -> Vec<Heard> {
    let (mut codec, mut src, mut heard) = (Lines::new(), BytesMut::new(), Vec::new());
    for piece in pieces {
        src.extend_from_slice(piece);
        while let Ok(Some(item)) = codec.decode(&mut src) {
            heard.push(item);
        }
        assert!(src.len() <= MAX_CLIENT_TAGS + MAX_BODY, "what waits has a limit");
    }
    heard
}

fn is_message(line: &str) -> bool {
    assert!(!line.contains(['\r', '\n', '\0']) && !line.is_empty());
    for piece in text::pieces(line, 32) {
        assert!(piece.text.len() <= 32);
    }
    let Ok(message) = Message::parse(line) else { return false };
    for (_, value) in message.tags.iter() {
        let mut escaped = String::new();
        escape(&value, &mut escaped);
        assert_eq!(unescape(&escaped), value, "a tag is read as it was written");
        assert!(!escaped.contains([' ', ';', '\r', '\n']));
    }
    assert!(mode::parse_channel(message.params()).changes.len() <= mode::MAX_CHANGES);
    round_trip(&message);
    true
}

/// What was read can be written, and is then read again, unless it is cut.
fn round_trip(message: &Message<'_>) {
    let mut written = Line::new(message.source.unwrap_or_default(), message.command);
    for (key, value) in message.tags.client_only() {
        written.add_tag(&key, &value);
    }
    if let Some((last, middle)) = message.params().split_last() {
        written = middle.iter().fold(written, |line, param| line.param(param)).last(last);
    }
    let bytes = written.to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap().strip_suffix("\r\n").unwrap();
    assert!(written.body().len() <= MAX_BODY - 2 && !text.contains(['\r', '\n', '\0']));
    let again = Message::parse(text).unwrap();
    assert_eq!(again.tags.client_only(), message.tags.client_only());
    assert_eq!(again.command, message.command);
    if written.body().len() < MAX_BODY - 4 {
        assert_eq!(again.params(), message.params());
    }
}

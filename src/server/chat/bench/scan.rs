//! What a unit says, as far as the bench wants to know.
//!
//! Almost all units are messages in rooms, so those are read by where their fields stand, without a parser: the server writes the fields of an event in
//! one order. Whatever looks otherwise goes through a parser, so that the shortcut decides how fast a unit is read and never what it says.

use serde_json::Value;

/// What a unit says.
#[derive(Debug, PartialEq)]
pub(super) enum Heard<'a> {
    /// Something was said in a room.
    Message {
        /// Which.
        room: &'a [u8],
        /// The event's number, where there are numbers.
        seq: Option<u64>,
        /// The text.
        text: &'a [u8],
    },
    /// Something else has happened in a room, which has a number.
    Event {
        /// Which.
        room: &'a [u8],
        /// The event's number.
        seq: u64,
    },
    /// Anything else in JSON.
    Json(Value),
    /// Anything else of IRC.
    Line(&'a str),
    /// Nothing that matters.
    Nothing,
}

/// A unit of the JSON door.
pub(super) fn json(unit: &[u8]) -> Heard<'_> {
    quickly(unit).unwrap_or_else(|| serde_json::from_slice(unit).map_or(Heard::Nothing, Heard::Json))
}

/// An event as the server writes it while it happens.
fn quickly(unit: &[u8]) -> Option<Heard<'_>> {
    let rest = unit.strip_prefix(br#"{"t":""#)?;
    let (message, rest) = match rest.strip_prefix(br#"message","room":""#) {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(br#"join","room":""#)?),
    };
    let (room, rest) = text(rest)?;
    let rest = rest.strip_prefix(br#","seq":"#)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seq = number(&rest[..digits])?;
    if !message {
        return Some(Heard::Event { room, seq });
    }
    // `id`, `at`, `from` and perhaps `account` stand between, of which none can hold a quote.
    let at = memchr::memmem::find(&rest[digits..], br#","text":""#)?;
    let (said, _) = text(&rest[digits + at + br#","text":""#.len()..])?;
    Some(Heard::Message { room, seq: Some(seq), text: said })
}

/// The text up to a quote, and what follows; not if it holds an escape.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', bytes)?;
    (bytes[end] == b'"').then(|| (&bytes[..end], &bytes[end + 1..]))
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// What a parsed object says about a room, if it does. `read` has a number of an event too, but tells of another device.
pub(super) fn event(value: &Value) -> Option<Heard<'_>> {
    let room = value.get("room")?.as_str()?.as_bytes();
    let seq = value.get("seq")?.as_u64()?;
    match value.get("t")?.as_str()? {
        "ok" | "error" | "read" => None,
        "message" => {
            let text = value.get("text")?.as_str()?.as_bytes();
            Some(Heard::Message { room, seq: Some(seq), text })
        }
        _ => Some(Heard::Event { room, seq }),
    }
}

/// A line of IRC, without tags: `:nick!user@host PRIVMSG #room :text`.
pub(super) fn irc(unit: &[u8]) -> Heard<'_> {
    if unit.first() == Some(&b':')
        && let Some(space) = memchr::memchr(b' ', unit)
        && let Some(rest) = unit[space..].strip_prefix(b" PRIVMSG ")
        && let Some(end) = memchr::memchr(b' ', rest)
        && let Some(text) = rest[end..].strip_prefix(b" :")
    {
        return Heard::Message { room: &rest[..end], seq: None, text };
    }
    str::from_utf8(unit).map_or(Heard::Nothing, Heard::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortcut_says_what_the_parser_says() {
        for unit in [
            r##"{"t":"message","room":"#b1-7","seq":12,"id":"01","at":5,"from":"ann","account":"Ann","text":"wb1","reply":"x"}"##,
            r##"{"t":"join","room":"#a","seq":3,"id":"01","at":5,"from":"ann"}"##,
        ] {
            let quick = quickly(unit.as_bytes()).unwrap();
            let value: Value = serde_json::from_str(unit).unwrap();
            assert_eq!(event(&value), Some(quick), "{unit}");
        }
        for unit in [
            // Escapes, another order, no number, another event.
            r##"{"t":"message","room":"#a","seq":12,"id":"01","at":5,"from":"ann","text":"a\"b"}"##,
            r##"{"at":5,"from":"ann","room":"#a","seq":12,"t":"message","text":"x"}"##,
            r##"{"t":"message","room":"bob","id":"01","at":5,"from":"ann","text":"x"}"##,
            r##"{"t":"message","room":"#a","seq":"##,
            r##"{"t":"leave","room":"#a","seq":3,"id":"01","at":5,"from":"ann"}"##,
        ] {
            assert_eq!(quickly(unit.as_bytes()), None, "{unit}");
        }
        let read: Value = serde_json::from_str(r##"{"t":"read","room":"#a","seq":3}"##).unwrap();
        assert_eq!(event(&read), None);
        assert_eq!(json(b"nonsense"), Heard::Nothing);
    }

    #[test]
    fn lines_of_irc() {
        for (line, expected) in [
            (":a!u@h PRIVMSG #b :c d", Heard::Message { room: b"#b", seq: None, text: b"c d" }),
            ("PING :x", Heard::Line("PING :x")),
            (":a!u@h JOIN #b", Heard::Line(":a!u@h JOIN #b")),
            (":a!u@h PRIVMSG #b", Heard::Line(":a!u@h PRIVMSG #b")),
            ("", Heard::Line("")),
        ] {
            assert_eq!(irc(line.as_bytes()), expected);
        }
    }
}

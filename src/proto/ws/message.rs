//! What is said over a connection: messages, and the three control frames.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::close::CloseReason;
use super::frame::Opcode;
use super::utf8::is_utf8;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The bytes; of a text, its UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(text) => &text.0,
            Self::Binary(bytes) => bytes,
        }
    }

    /// The bytes; of a text, its UTF-8.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.0,
            Self::Binary(bytes) => bytes,
        }
    }

    /// Bytes of it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }
}

impl<T: Into<Text>> From<T> for Message {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

/// Bytes that are UTF-8. Clones share them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// `bytes`, when they are UTF-8.
    #[must_use]
    pub fn new(bytes: Bytes) -> Option<Self> {
        is_utf8(&bytes).then_some(Self(bytes))
    }

    /// `bytes`, that were found to be UTF-8.
    pub(super) fn checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The text. It is looked at once more, which costs less than reading it, and keeps this module free of `unsafe`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// What the peer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Message),
    /// A ping, which wants a pong with the same bytes, at most 125.
    Ping(Bytes),
    /// A pong, asked for or not.
    Pong(Bytes),
    /// The close frame, after which nothing of the peer counts. `None` when it has no code.
    Close(Option<CloseReason>),
}

/// What we say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message, in one frame.
    Message(Message),
    /// A ping; at most 125 bytes, what is longer is cut.
    Ping(Bytes),
    /// A pong; at most 125 bytes, what is longer is cut.
    Pong(Bytes),
    /// The close frame, after which we say nothing more.
    Close(Option<CloseReason>),
    /// Whole frames of a server, made once for many connections ([`encode`](super::codec::encode)).
    Frames(Bytes),
    /// A message that was compressed by a [borrowed compressor](super::codec::Codec::lend_deflater).
    Deflated {
        /// Whether it is text.
        text: bool,
        /// What the compressor made of it.
        payload: Bytes,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8() {
        assert_eq!(Text::new(Bytes::from_static(b"\xc3")), None);
        let text = Text::new(Bytes::from_static("é".as_bytes())).unwrap();
        assert_eq!(
            (&*text, text.to_string(), format!("{text:?}")),
            ("é", "é".to_owned(), "\"é\"".to_owned())
        );
    }

    #[test]
    fn messages_from_what_programs_have() {
        let text: [Message; 2] = ["hé".into(), String::from("hé").into()];
        for message in text {
            assert_eq!((message.as_text(), message.len(), message.opcode()), (Some("hé"), 3, Opcode::Text));
        }
        let binary: [Message; 2] = [vec![1, 2].into(), Bytes::from_static(&[1, 2]).into()];
        for message in binary {
            assert_eq!(
                (message.as_text(), message.is_empty(), message.opcode()),
                (None, false, Opcode::Binary)
            );
            assert_eq!(message.into_bytes(), [1, 2][..]);
        }
    }
}

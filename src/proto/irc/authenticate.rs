//! `AUTHENTICATE` (IRCv3 sasl-3.1): SASL messages in lines of 400 bytes of base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of base64 in a line at most; a line that is shorter is the last one.
pub const CHUNK: usize = 400;

/// Bytes of base64 of a message at most. A token of 8 KiB fits; Ergo 400 * 3.
pub const MAX_MESSAGE: usize = 12 * 1024;

/// Why a message was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line is longer than [`CHUNK`], or the message is longer than [`MAX_MESSAGE`].
    #[error("the message is too long")]
    TooLong,
    /// It is no base64.
    #[error("the message is no base64")]
    Base64,
}

/// A message that arrives in lines.
#[derive(Clone, Debug, Default)]
pub struct Incoming(String);

impl Incoming {
    /// Takes the parameter of a line; gives the message when it is whole.
    ///
    /// # Errors
    /// [`Fault`]; what had arrived is forgotten.
    pub fn push(&mut self, param: &str) -> Result<Option<Vec<u8>>, Fault> {
        let piece = if param == "+" { "" } else { param };
        if piece.len() > CHUNK || self.0.len() + piece.len() > MAX_MESSAGE {
            self.0 = String::new();
            return Err(Fault::TooLong);
        }
        self.0.push_str(piece);
        if piece.len() == CHUNK {
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.0);
        STANDARD.decode(whole).map(Some).map_err(|_| Fault::Base64)
    }
}

/// The parameters of the lines that carry a message.
#[must_use]
pub fn outgoing(message: &[u8]) -> Vec<String> {
    let text = STANDARD.encode(message);
    let mut lines: Vec<String> =
        text.as_bytes().chunks(CHUNK).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    // A line that is full promises another one.
    if text.len().is_multiple_of(CHUNK) {
        lines.push("+".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_there_and_back() {
        for length in [0, 1, 2, 299, 300, 301, 600, 9000] {
            let message: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let lines = outgoing(&message);
            let (mut incoming, mut whole) = (Incoming::default(), None);
            for (at, line) in lines.iter().enumerate() {
                whole = incoming.push(line).unwrap();
                assert_eq!(whole.is_some(), at + 1 == lines.len(), "{length}");
            }
            assert_eq!(whole, Some(message));
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        let message = Incoming::default().push("amlsbGVzAGppbGxlcwBzZXNhbWU=").unwrap();
        assert_eq!(message.as_deref(), Some(&b"jilles\0jilles\0sesame"[..]));
        assert_eq!(outgoing(b""), ["+"]);
    }

    #[test]
    fn faults() {
        assert_eq!(Incoming::default().push(&"A".repeat(401)), Err(Fault::TooLong));
        assert_eq!(Incoming::default().push("A*"), Err(Fault::Base64));
        let mut long = Incoming::default();
        let chunk = "A".repeat(CHUNK);
        assert_eq!((0..100).map(|_| long.push(&chunk)).find(Result::is_err), Some(Err(Fault::TooLong)));
    }
}

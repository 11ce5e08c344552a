//! The messages that are sent: prepared, so that sending one costs no more than its bytes.

use std::sync::Arc;

use crate::server::ws::Message;

/// Different messages: enough that an answer to another question is noticed, and that compression finds no more alike than in life.
const VARIANTS: usize = 64;

/// Bytes of all of them, if they are large.
const BYTES: usize = 64 << 20;

/// Few words, as the texts of protocols have.
const WORDS: &[&str] = &[
    "id", "type", "message", "user", "name", "time", "room", "text", "status", "ok", "true", "null", "the",
    "a", "of", "and", "to", "in", "is", "value", "key", "42", "2026", "seq",
];

/// Messages, to be sent in turn.
#[derive(Clone, Debug)]
pub(super) struct Payloads(Arc<[Message]>);

impl Payloads {
    /// Messages of so many bytes, the same for the same seed.
    pub(super) fn new(size: usize, text: bool, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let variants = (BYTES / size.max(1)).clamp(2, VARIANTS);
        let message = |_| if text { words(size, &mut rng).into() } else { bytes(size, &mut rng).into() };
        Self((0..variants).map(message).collect())
    }

    /// The message with this number.
    pub(super) fn nth(&self, number: u64) -> &Message {
        let count = self.0.len() as u64;
        &self.0[usize::try_from(number % count).unwrap_or_default()]
    }
}

fn bytes(size: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = vec![0; size];
    rng.fill(&mut bytes);
    bytes
}

fn words(size: usize, rng: &mut fastrand::Rng) -> String {
    let mut text = String::with_capacity(size + 8);
    while text.len() < size {
        text.push_str(WORDS[rng.usize(..WORDS.len())]);
        text.push(' ');
    }
    text.truncate(size);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_size_that_was_asked_for() {
        for size in [0, 1, 16, 1000, 70_000] {
            for text in [false, true] {
                let payloads = Payloads::new(size, text, 1);
                for number in 0..200 {
                    let message = payloads.nth(number);
                    assert_eq!((message.len(), message.as_text().is_some()), (size, text));
                }
                assert_eq!(payloads.0.len(), 64);
                assert_eq!(payloads.nth(3), Payloads::new(size, text, 1).nth(67));
                assert!(size < 16 || payloads.nth(0) != payloads.nth(1));
            }
        }
        assert_eq!(Payloads::new(40 << 20, false, 1).0.len(), 2);
    }
}

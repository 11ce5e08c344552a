//! The texts of the bench's messages: who said it, which one it is, and when, written so that they are read in some nanoseconds.
//!
//! `wb` and three hexadecimal numbers of fixed width, of the sender (8 digits), of its messages in the room (10) and of the microseconds since the
//! run began (14), and padding.

use std::time::Duration;

/// Bytes of the shortest message.
pub(super) const SHORTEST: usize = MARK.len() + SENDER + NUMBER + TIME;

const MARK: &[u8] = b"wb";
const SENDER: usize = 8;
const NUMBER: usize = 10;
const TIME: usize = 14;

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// Which member said it.
    pub(super) sender: u32,
    /// Which of the messages it is that the sender has said in this room, from 1.
    pub(super) number: u64,
    /// When it was due, since the run began.
    pub(super) due: Duration,
}

impl Payload {
    /// The text, of so many bytes.
    pub(super) fn text(&self, size: usize) -> String {
        let micros = u64::try_from(self.due.as_micros()).unwrap_or(u64::MAX);
        let Self { sender, number, .. } = self;
        let mut text = format!("wb{sender:08x}{number:010x}{micros:014x}");
        while text.len() < size {
            let missing = (size - text.len()).min(PADDING.len());
            text.push_str(&PADDING[..missing]);
        }
        text
    }

    /// What a text says; `None` when it is not one of the bench.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (sender, rest) = text.strip_prefix(MARK)?.split_first_chunk::<SENDER>()?;
        let (number, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (time, _) = rest.split_first_chunk::<TIME>()?;
        let sender = u32::try_from(hex(sender)?).ok()?;
        Some(Self { sender, number: hex(number)?, due: Duration::from_micros(hex(time)?) })
    }
}

const PADDING: &str = " the quick brown fox jumps over the lazy dog and says hello to everybody in the room";

/// At most 16 digits.
fn hex(digits: &[u8]) -> Option<u64> {
    let mut sum = 0;
    let mut wrong = 0;
    for digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => 0x80,
        };
        wrong |= value;
        sum = sum << 4 | u64::from(value & 0xf);
    }
    (wrong & 0x80 == 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_what_it_was_told() {
        for payload in [
            Payload { sender: 0, number: 1, due: Duration::ZERO },
            Payload { sender: u32::MAX, number: 0xff_ffff_ffff, due: Duration::from_micros(0xabc_def0_1234) },
        ] {
            for size in [SHORTEST, 64, 300] {
                let text = payload.text(size);
                assert_eq!((text.len(), Payload::read(text.as_bytes())), (size, Some(payload)));
            }
        }
        for text in ["", "hello", "wb0000000g", &"wb".repeat(17)] {
            assert_eq!(Payload::read(text.as_bytes()), None, "{text}");
        }
    }
}

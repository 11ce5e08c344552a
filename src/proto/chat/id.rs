//! The numbers of things: accounts, rooms, and messages.
//!
//! A [`MessageId`] is a ULID (<https://github.com/ulid/spec>): 48 bits of milliseconds, and 80 bits of chance, written as 26 characters
//! that sort like the numbers. Those of one server never go back, even if its clock does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An account, by its number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u64);

/// A room, by its number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoomId(pub u64);

/// The number of an event within its room: 1 is the first, and there is no gap. 0 stands before all of them.
pub type Seq = u64;

/// Milliseconds since 1970 began (Unix time).
pub type Millis = u64;

/// A message, or any other event of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

/// Bits of chance in an id; the time stands above them.
const CHANCE_BITS: u32 = 80;

/// The largest time of an id: the year 10889.
const LAST: Millis = (1 << 48) - 1;

/// Crockford's base 32: no I, L, O or U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of an id.
pub const LENGTH: usize = 26;

impl MessageId {
    /// The id of this time (48 bits of it) and the lowest 80 bits of `chance`.
    #[must_use]
    pub fn new(time: Millis, chance: u128) -> Self {
        let chance = chance & ((1 << CHANCE_BITS) - 1);
        Self(u128::from(time.min(LAST)) << CHANCE_BITS | chance)
    }

    /// The smallest id of this time: where a page of history by time begins.
    #[must_use]
    pub fn first_of(time: Millis) -> Self {
        Self::new(time, 0)
    }

    /// When it was made.
    #[must_use]
    pub fn time(self) -> Millis {
        u64::try_from(self.0 >> CHANCE_BITS).unwrap_or(LAST)
    }

    /// As 16 bytes, which sort like the ids.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From what [`to_bytes`](Self::to_bytes) said.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// As 26 ASCII characters.
    #[must_use]
    pub fn digits(self) -> [u8; LENGTH] {
        let mut digits = [0; LENGTH];
        for (at, digit) in digits.iter_mut().rev().enumerate() {
            *digit = DIGITS[(self.0 >> (5 * at)) as usize & 31];
        }
        digits
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        f.pad(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

/// It is no ULID: 26 characters of Crockford's base 32, of which the first is at most 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no ULID")]
pub struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    /// Reads either case, and I, L and O for the digits that they resemble.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
            return Err(NotAnId);
        }
        let mut id = 0;
        for byte in text.bytes() {
            let digit = match byte.to_ascii_uppercase() {
                b'O' => 0,
                b'I' | b'L' => 1,
                byte => DIGITS.iter().position(|digit| *digit == byte).ok_or(NotAnId)?,
            };
            id = id << 5 | digit as u128;
        }
        Ok(Self(id))
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Makes ids, each larger than the one before.
#[derive(Clone, Debug)]
pub struct Ids(MessageId);

impl Default for Ids {
    fn default() -> Self {
        Self(MessageId(0))
    }
}

impl Ids {
    /// Ids that come after `last`, which a store has seen.
    #[must_use]
    pub fn after(last: MessageId) -> Self {
        Self(last)
    }

    /// The next one. Within a millisecond, and as long as the clock is behind, it is a little larger than the last: by less than 2^32, so
    /// that nobody can guess it.
    pub fn next(&mut self, now: Millis, chance: u128) -> MessageId {
        let fresh = MessageId::new(now, chance);
        self.0 = if fresh.time() > self.0.time() {
            fresh
        } else {
            MessageId(self.0.0.saturating_add(1 + (chance & u128::from(u32::MAX))))
        };
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers() {
        let rows = [
            (0, 0, "00000000000000000000000000"),
            (1, 1, "00000000010000000000000001"),
            (1_469_918_176_385, 0, "01ARYZ6S410000000000000000"),
            (LAST, u128::MAX, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
        ];
        for (time, chance, text) in rows {
            let id = MessageId::new(time, chance);
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.to_lowercase().parse(), Ok(id));
            assert_eq!(id.time(), time);
            assert_eq!(MessageId::from_bytes(id.to_bytes()), id);
            assert_eq!(serde_json::from_str::<MessageId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }
        assert_eq!("0000000000000000000000000O".parse(), Ok(MessageId::new(0, 0)));
    }

    #[test]
    fn no_ids() {
        for text in [
            "",
            "0",
            "0000000000000000000000000",
            "000000000000000000000000000",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "0000000000000000000000000U",
            "0000000000000000000000000-",
            "000000000000000000000000é",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAnId), "{text:?}");
        }
    }

    #[test]
    fn ids_only_grow() {
        let mut ids = Ids::default();
        let mut last = MessageId::new(0, 0);
        for (now, chance) in [(5, 9), (5, 9), (5, 0), (4, u128::MAX), (6, 0), (0, 0), (7, 1)] {
            let id = ids.next(now, chance);
            assert!(id > last && id.time() >= now, "{id} after {last}");
            last = id;
        }
        assert_eq!(last.time(), 7);
        let mut later = Ids::after(last);
        assert!(later.next(1, 0) > last);
    }
}

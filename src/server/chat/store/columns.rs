//! What stands in columns, whichever database has them: numbers, authors and the bodies of events.

use super::StoreError;
use crate::proto::chat::event::{Change, Who};
use crate::proto::chat::id::{AccountId, MessageId};

/// A number of 64 bits without a sign as the same bits with one: for names, which have no order.
pub(super) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// The number of which [`bits`] were written.
pub(super) fn number(bits: i64) -> u64 {
    bits.cast_unsigned()
}

/// A number that has an order: sequence numbers, times and sizes. Those beyond 2^63 do not occur.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number of which [`int`] was written.
pub(super) fn uint(int: i64) -> u64 {
    u64::try_from(int).unwrap_or(0)
}

/// The id that follows.
pub(super) fn next(id: MessageId) -> MessageId {
    MessageId::from_bytes(u128::from_be_bytes(id.to_bytes()).saturating_add(1).to_be_bytes())
}

/// What stands in the column `body`.
pub(super) fn encode(change: &Change) -> Result<String, StoreError> {
    let body = match change {
        Change::Message(message) => serde_json::to_string(message),
        change => serde_json::to_string(change),
    };
    body.map_err(|error| StoreError::Broken(format!("an event cannot be written: {error}")))
}

/// The change that was written, of a message or of another kind.
pub(super) fn decode(is_message: bool, body: &str) -> Result<Change, serde_json::Error> {
    if is_message { serde_json::from_str(body).map(Change::Message) } else { serde_json::from_str(body) }
}

/// How [`Who`] is written in a column.
pub(super) fn who_text(who: &Who) -> String {
    match who {
        Who::Account(account) => format!("a{}", account.0),
        Who::Guest(nick) => format!("g{nick}"),
    }
}

/// The [`Who`] that was written.
pub(super) fn who_of(text: &str) -> Result<Who, StoreError> {
    let account = |digits: &str| digits.parse().ok().map(|number| Who::Account(AccountId(number)));
    match text.split_at_checked(1) {
        Some(("a", digits)) => account(digits),
        Some(("g", nick)) => Some(Who::Guest(nick.into())),
        _ => None,
    }
    .ok_or_else(|| StoreError::Broken(format!("{text:?} names nobody")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 1 << 53, u64::MAX - 1, u64::MAX] {
            assert_eq!(number(bits(value)), value);
            assert_eq!(uint(int(value)), value.min(i64::MAX as u64));
        }
        for who in [Who::Account(AccountId(u64::MAX)), Who::Guest("gina".into()), Who::Guest("a1".into())] {
            assert_eq!(who_of(&who_text(&who)).unwrap(), who);
        }
        for text in ["", "a", "ax", "x1", "é"] {
            assert!(matches!(who_of(text), Err(StoreError::Broken(_))), "{text}");
        }
        assert_eq!(next(MessageId::new(5, 7)), MessageId::new(5, 8));
    }
}

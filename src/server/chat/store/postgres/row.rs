//! How events stand in rows: kinds, bodies, authors and numbers.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::super::StoreError;
use super::super::history::Entry;
use super::connect::Db;
use super::error::Fault;
use crate::proto::chat::event::{Author, Change, Event, Who};
use crate::proto::chat::id::{AccountId, MessageId, RoomId, Seq};

/// What the table calls a room.
pub(super) type RoomN = i64;

/// The kind of an event: 0 message, 1 edit, 2 reaction or other tags, 3 withdrawn reaction, 4 deletion, 5 change of state.
pub(super) fn kind(change: &Change) -> i16 {
    match change {
        Change::Message(_) => 0,
        Change::Edit { .. } => 1,
        Change::React { .. } | Change::Tags { .. } => 2,
        Change::Unreact { .. } => 3,
        Change::Delete { .. } => 4,
        _ => 5,
    }
}

/// A number that is a name, and has no order, as the same bits with a sign.
pub(super) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// The number of which [`bits`] were written.
pub(super) fn number(bits: i64) -> u64 {
    bits.cast_unsigned()
}

/// A number that has an order. Those beyond 2^63 do not occur.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number of which [`int`] was written.
pub(super) fn uint(int: i64) -> u64 {
    u64::try_from(int).unwrap_or(0)
}

/// An id as its bytes.
pub(super) fn id_bytes(id: MessageId) -> Vec<u8> {
    id.to_bytes().to_vec()
}

/// The id that a column holds.
pub(super) fn id_of(bytes: &[u8]) -> Result<MessageId, Fault> {
    let bytes =
        bytes.try_into().map_err(|_| StoreError::Broken("an id does not have 16 bytes".to_owned()))?;
    Ok(MessageId::from_bytes(bytes))
}

/// The id that follows.
pub(super) fn next(id: MessageId) -> MessageId {
    MessageId::from_bytes(u128::from_be_bytes(id.to_bytes()).saturating_add(1).to_be_bytes())
}

/// Text of PostgreSQL has no U+0000: its picture takes its place.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

/// The number of a room in the table, unless it does not exist or is being dropped.
pub(super) async fn room_n(db: &Db, room: RoomId) -> Result<Option<RoomN>, Fault> {
    let row = db.row("SELECT n FROM rooms WHERE id = $1 AND NOT dropped", &[&bits(room.0)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// What stands in the column `body`.
pub(super) fn encode(change: &Change) -> Result<String, StoreError> {
    let body = match change {
        Change::Message(message) => serde_json::to_string(message),
        change => serde_json::to_string(change),
    };
    body.map_err(|error| StoreError::Broken(format!("an event cannot be written: {error}")))
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

/// The columns that [`entry`] reads, of `events e`.
pub(super) const COLUMNS: &str = "e.seq, e.id, e.kind, e.body, e.edited, e.deleted, e.reactions, e.replies, \
                                  e.nick, e.account, e.username, e.host";

/// An event of a row, and whether it has reactions, which stand in a table of their own.
pub(super) fn entry(room: RoomId, row: &Row) -> Result<(Entry, bool), Fault> {
    let seq: Seq = uint(row.try_get(0)?);
    let id = id_of(row.try_get(1)?)?;
    let broken = |error: &dyn std::fmt::Display| {
        Fault::Store(StoreError::Broken(format!("event {seq} of room {}: {error}", room.0)))
    };
    let body: &str = row.try_get(3)?;
    let change = match row.try_get::<_, i16>(2)? {
        0 => serde_json::from_str(body).map(Change::Message),
        _ => serde_json::from_str(body),
    };
    let by = Author {
        nick: row.try_get::<_, &str>(8)?.parse().map_err(|error| broken(&error))?,
        account: row.try_get::<_, Option<i64>>(9)?.map(|account| AccountId(number(account))),
        user: row.try_get::<_, &str>(10)?.into(),
        host: row.try_get::<_, &str>(11)?.into(),
    };
    let event = Event { room, seq, id, by, change: change.map_err(|error| broken(&error))? };
    let entry = Entry {
        event,
        edited: row.try_get::<_, Option<i64>>(4)?.map(uint),
        deleted: row.try_get::<_, Option<i64>>(5)?.map(uint),
        reactions: Vec::new(),
        replies: uint(row.try_get(7)?),
    };
    Ok((entry, row.try_get::<_, i64>(6)? > 0))
}

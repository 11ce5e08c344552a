//! How events stand in rows: kinds, bodies, authors and numbers.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::super::StoreError;
use super::super::columns;
pub(super) use super::super::columns::{bits, encode, int, next, number, uint, who_of, who_text};
use super::super::history::Entry;
use super::connect::Db;
use super::error::Fault;
use crate::proto::chat::event::{Author, Change, Event};
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

/// Text of PostgreSQL has no U+0000: its picture takes its place.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

/// The number of a room in the table, unless it does not exist or is being dropped.
pub(super) async fn room_n(db: &Db, room: RoomId) -> Result<Option<RoomN>, Fault> {
    let row = db.row("SELECT n FROM rooms WHERE id = $1 AND NOT dropped", &[&bits(room.0)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
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
    let change = columns::decode(row.try_get::<_, i16>(2)? == 0, body);
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

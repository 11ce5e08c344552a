//! How events stand in rows: kinds, bodies, authors and numbers.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::super::StoreError;
use super::super::columns;
pub(super) use super::super::columns::{bits, encode, int, next, number, uint, who_of, who_text};
use super::super::history::Entry;
use crate::proto::chat::event::{Author, Change, Event};
use crate::proto::chat::id::{AccountId, MessageId, RoomId, Seq};

/// What the table calls a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoomN(pub(super) i64);

/// The kind of an event, as its row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(super) enum Kind {
    Message = 0,
    Edit = 1,
    /// Or other tags.
    React = 2,
    Unreact = 3,
    Delete = 4,
    State = 5,
}

impl Kind {
    pub(super) fn of(change: &Change) -> Self {
        match change {
            Change::Message(_) => Self::Message,
            Change::Edit { .. } => Self::Edit,
            Change::React { .. } | Change::Tags { .. } => Self::React,
            Change::Unreact { .. } => Self::Unreact,
            Change::Delete { .. } => Self::Delete,
            _ => Self::State,
        }
    }
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value.as_i64()? {
            0 => Self::Message,
            1 => Self::Edit,
            2 => Self::React,
            3 => Self::Unreact,
            4 => Self::Delete,
            5 => Self::State,
            other => return Err(FromSqlError::OutOfRange(other)),
        })
    }
}

impl ToSql for RoomN {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for RoomN {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// A [`MessageId`] in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) MessageId);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_bytes().to_vec().into())
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let invalid = || FromSqlError::InvalidBlobSize { expected_size: 16, blob_size: bytes.len() };
        Ok(Self(MessageId::from_bytes(bytes.try_into().map_err(|_| invalid())?)))
    }
}

/// The number of a room in the table, unless it does not exist or is being dropped.
pub(super) fn room_n(connection: &Connection, room: RoomId) -> rusqlite::Result<Option<RoomN>> {
    let mut statement = connection.prepare_cached("SELECT n FROM rooms WHERE id = ?1 AND NOT dropped")?;
    statement.query_row([bits(room.0)], |row| row.get(0)).optional()
}

/// The change of a row.
pub(super) fn decode(kind: Kind, body: &str) -> Result<Change, serde_json::Error> {
    columns::decode(kind == Kind::Message, body)
}

/// The columns that [`entry`] reads, of `events e` joined with `authors a`.
pub(super) const COLUMNS: &str = "e.seq, e.id, e.kind, e.body, e.edited, e.deleted, e.reactions, e.replies, \
                                  a.nick, a.account, a.user, a.host";

/// An event of a row, and whether it has reactions, which stand in a table of their own.
pub(super) fn entry(room: RoomId, row: &Row<'_>) -> Result<(Entry, bool), StoreError> {
    let seq: Seq = uint(row.get(0)?);
    let Id(id) = row.get(1)?;
    let body = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
    let broken = |error: &dyn std::fmt::Display| {
        StoreError::Broken(format!("event {seq} of room {}: {error}", room.0))
    };
    let change = decode(row.get(2)?, body).map_err(|error| broken(&error))?;
    let nick = row.get_ref(8)?.as_str().map_err(rusqlite::Error::from)?;
    let by = Author {
        nick: nick.parse().map_err(|error| broken(&error))?,
        account: row.get::<_, Option<i64>>(9)?.map(|account| AccountId(number(account))),
        user: row.get(10)?,
        host: row.get(11)?,
    };
    let entry = Entry {
        event: Event { room, seq, id, by, change },
        edited: row.get::<_, Option<i64>>(4)?.map(uint),
        deleted: row.get::<_, Option<i64>>(5)?.map(uint),
        reactions: Vec::new(),
        replies: uint(row.get(7)?),
    };
    Ok((entry, row.get::<_, i64>(6)? > 0))
}

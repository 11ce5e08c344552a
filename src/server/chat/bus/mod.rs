//! How nodes of a chat tell each other what happens.
//!
//! Nothing depends on what a [`Bus`] carries: events of rooms are in the store before they are told here, and whoever misses one reads it there. So a bus
//! may lose, repeat and reorder; a node notices by the numbers. A chat of one node has [`Nobody`], one of several has [`nats`].

pub mod nats;

use bytes::Bytes;

use crate::proto::chat::id::{MessageId, RoomId};

/// What a node hears.
#[derive(Debug)]
pub enum Heard {
    /// An event of a room.
    Event(Bytes),
    /// Anything else.
    Said(Bytes),
    /// The bus is there, for the first time or again. What was said meanwhile is lost.
    Back,
}

/// What tells others.
pub trait Bus: Send + Sync + 'static {
    /// Tells an event of a room. It is kept for those that are away for a moment.
    fn publish(&self, room: RoomId, id: MessageId, event: Bytes);

    /// Tells those that listen now.
    fn say(&self, said: Bytes);
}

/// No bus: nobody else is there, or they have to look into the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Bus for Nobody {
    fn publish(&self, _: RoomId, _: MessageId, _: Bytes) {}

    fn say(&self, _: Bytes) {}
}

//! What is asked about the past.

use crate::proto::chat::event::{Event, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};

/// Events of a page at most.
pub const MAX_PAGE: usize = 1000;

/// A place in a room's log. Ids grow with the numbers of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The event of this number.
    Seq(Seq),
    /// The event with this id, or where it would be.
    Id(MessageId),
    /// The events of this millisecond, or where they would be.
    Time(Millis),
}

/// Which part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The last ones.
    Latest,
    /// The last ones after this place (without it).
    LatestAfter(Place),
    /// The last ones before this place (without it).
    Before(Place),
    /// The first ones after this place (without it).
    After(Place),
    /// As many before this place as from it on, or one less.
    Around(Place),
    /// The first ones after the first place and before the second, if it is the later one; else the last ones between them.
    Between(Place, Place),
}

/// Which events of it count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them: what a client resumes from.
    All,
    /// Messages as they are now, with the places of deleted ones.
    Messages,
    /// Those, reactions and other tags, and who came and went, what the topic was, and other changes of state.
    MessagesAndState,
    /// The messages of a thread, its first one among them.
    Thread(MessageId),
}

/// A question about a room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which room.
    pub room: RoomId,
    /// Where.
    pub part: Part,
    /// What.
    pub which: Which,
    /// Events at most; no more than [`MAX_PAGE`] are given.
    pub limit: usize,
}

/// An event, with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event; of a message that was edited, with its newest text; of one that was deleted, without any.
    pub event: Event,
    /// When it was edited last.
    pub edited: Option<Millis>,
    /// When it was deleted.
    pub deleted: Option<Millis>,
    /// Its reactions, in the order in which each came first.
    pub reactions: Vec<Reaction>,
    /// Answers in its thread, if it begins one; those that were deleted are counted.
    pub replies: u64,
}

/// A reaction, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// An emoji, or a short text.
    pub text: String,
    /// By whom, the first one first.
    pub by: Vec<Who>,
}

/// Events of a room, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events.
    pub entries: Vec<Entry>,
    /// Whether there are more in the direction in which the page goes; for [`Part::Around`], in either of them.
    pub more: bool,
}

/// Words to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// As typed: words which all have to be there, `"several words"` in this order, `word*` for how one begins. Nothing else has a meaning.
    pub text: String,
    /// In which rooms.
    pub rooms: Vec<RoomId>,
    /// Of whom.
    pub by: Option<AccountId>,
    /// Not before.
    pub after: Option<Millis>,
    /// Before this message: where a page of results goes on.
    pub before: Option<MessageId>,
    /// Results at most, the newest first.
    pub limit: usize,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub entry: Entry,
    /// A piece of its text, with what was found between U+0002 and U+0003.
    pub snippet: String,
}

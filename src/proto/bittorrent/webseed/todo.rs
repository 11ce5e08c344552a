//! What a web seed has to have done, and how it goes.

use std::ops::Range;
use std::time::Instant;

use super::Fault;
#[cfg(doc)]
use super::{MAX_MISSES, MAX_TARGET, WebSeed};
use crate::proto::bittorrent::wire::Message;

/// The number of an ask. None comes twice from one web seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub(super) u64);

/// An HTTP request: `GET`, for the host of [`WebSeed::url`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Path and query, at most [`MAX_TARGET`] bytes.
    pub target: String,
    /// The bytes that are wanted, for the field `Range`; a script is told by the target.
    pub range: Option<Range<u64>>,
}

impl Ask {
    /// The value of the field `Range`, if it is to have one. `Accept-Encoding: identity` goes with it: ranges of
    /// what is compressed are of no use.
    #[must_use]
    pub fn range_field(&self) -> Option<String> {
        let Range { start, end } = self.range.clone()?;
        Some(format!("bytes={start}-{}", end.saturating_sub(1)))
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Tell the torrent that the peer has said this.
    Say(Message),
    /// Send this request. What comes of it is told by [`WebSeed::answered`], [`came`](WebSeed::came),
    /// [`finished`](WebSeed::finished) and [`failed`](WebSeed::failed).
    Ask(AskId, Ask),
    /// Nothing of that exchange is wanted any more. A body of few bytes may be read to its end for the sake of the
    /// connection.
    Abort(AskId),
    /// It has less than it said, which peers cannot say: have it leave the torrent, join again, and tell it by
    /// [`WebSeed::joined`].
    Rejoin,
    /// Have it leave the torrent for good. Nothing follows.
    Leave(Ended),
}

/// Why a web seed is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// What it sends does not have the hashes of the torrent.
    #[error("it sends bytes that are wrong")]
    Banned,
    /// It sends files from their beginning only.
    #[error("it knows no ranges")]
    NoRanges,
    /// Another range than that which was asked for, or none that can be read.
    #[error("it sends another range than was asked for")]
    WrongRange,
    /// No file, or none of [`MAX_MISSES`] in a row.
    #[error("it does not have the files of the torrent")]
    NoFiles,
}

/// How it goes with a web seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is asked for.
    Idle,
    /// So many asks are under way.
    Busy(usize),
    /// It is left alone.
    Rests {
        /// Until when.
        until: Instant,
        /// What has happened.
        fault: Fault,
    },
    /// It is of no use any more.
    Ended(Ended),
}

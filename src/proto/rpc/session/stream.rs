//! One stream: a call, as far as its messages and its credit go.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::proto::rpc::frame::Piece;
use crate::proto::rpc::status::Status;

/// A message, as it was on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its bytes.
    pub bytes: Bytes,
    /// They are compressed.
    pub compressed: bool,
    /// Bytes of the peer's credit that it still holds. They go back when it is [consumed](super::Session::consumed).
    pub credit: u32,
}

/// A stream that is not closed.
#[derive(Debug)]
pub(super) struct Stream {
    /// The peer has opened it.
    pub(super) theirs: bool,
    /// The peer sends no further message.
    pub(super) heard_last: bool,
    /// We send no further message; what is queued still leaves.
    pub(super) said_last: bool,
    /// Bytes that the peer may still send.
    pub(super) may_hear: u32,
    /// Bytes that were consumed, and for which no credit was given yet.
    pub(super) owed: u32,
    /// Messages that the application has got and not consumed.
    pub(super) unconsumed: u32,
    /// Bytes that we may still send.
    pub(super) may_say: u32,
    /// The message that is not whole.
    gathered: Option<Box<Gathered>>,
    /// Messages that wait for credit or for their turn, and how the call is to end after them. Few streams have any.
    pub(super) waiting: Option<Box<Waiting>>,
}

/// A message in the making.
#[derive(Debug)]
struct Gathered {
    bytes: BytesMut,
    compressed: bool,
    credit: u32,
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) messages: VecDeque<Message>,
    /// Bytes in them.
    pub(super) bytes: usize,
    /// A piece of the first one has been sent.
    pub(super) begun: bool,
    /// Our direction ends after them.
    pub(super) last: bool,
    /// The call ends after them.
    pub(super) end: Option<Status>,
    /// Bytes that it has sent in this turn.
    pub(super) turn: usize,
    /// It stands in the queue of those that take turns.
    pub(super) queued: bool,
}

/// Why a piece of a message cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadPiece {
    /// The message grows beyond the limit.
    TooLarge,
    /// It begins to be compressed in its middle.
    Compressed,
}

impl Stream {
    pub(super) fn new(theirs: bool, may_hear: u32, may_say: u32) -> Self {
        Self {
            theirs,
            heard_last: false,
            said_last: false,
            may_hear,
            owed: 0,
            unconsumed: 0,
            may_say,
            gathered: None,
            waiting: None,
        }
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_within_message(&self) -> bool {
        self.gathered.is_some()
    }

    /// Takes a piece for which the peer has used so much credit; gives the message when it is whole.
    pub(super) fn gather(
        &mut self,
        piece: Piece,
        credit: u32,
        limit: usize,
    ) -> Result<Option<Message>, BadPiece> {
        let Piece { bytes, more, compressed } = piece;
        let Some(mut gathered) = self.gathered.take() else {
            if bytes.len() > limit {
                return Err(BadPiece::TooLarge);
            }
            if !more {
                self.unconsumed += 1;
                return Ok(Some(Message { bytes, compressed, credit }));
            }
            let bytes = BytesMut::from(&bytes[..]);
            self.gathered = Some(Box::new(Gathered { bytes, compressed, credit }));
            return Ok(None);
        };
        let bad = if compressed {
            Some(BadPiece::Compressed)
        } else {
            (gathered.bytes.len() + bytes.len() > limit).then_some(BadPiece::TooLarge)
        };
        if let Some(bad) = bad {
            self.gathered = Some(gathered); // whoever closes the stream looks after it
            return Err(bad);
        }
        gathered.bytes.extend_from_slice(&bytes);
        gathered.credit = gathered.credit.saturating_add(credit);
        if more {
            self.gathered = Some(gathered);
            return Ok(None);
        }
        let Gathered { bytes, compressed, credit } = *gathered;
        self.unconsumed += 1;
        Ok(Some(Message { bytes: bytes.freeze(), compressed, credit }))
    }

    /// Bytes of the message that is not whole.
    pub(super) fn unfinished(&self) -> usize {
        self.gathered.as_ref().map_or(0, |gathered| gathered.bytes.len())
    }

    /// The credit that the message holds which is not whole. A message can be longer than all credit, so it must not hold any while the
    /// application has nothing else to take.
    pub(super) fn take_credit(&mut self) -> u32 {
        self.gathered.as_mut().map_or(0, |gathered| std::mem::take(&mut gathered.credit))
    }

    pub(super) fn waiting(&mut self) -> &mut Waiting {
        self.waiting.get_or_insert_default()
    }
}

//! What the application says, and when it leaves.

use super::stream::{Message, Stream, Waiting};
use super::{Role, Session};
use crate::proto::rpc::frame::{Call, Data, End, Frame, Open, Piece, Reset};
use crate::proto::rpc::reject::ErrorCode;
use crate::proto::rpc::settings::Settings;
use crate::proto::rpc::status::{MAX_TEXT, Status};

/// Bytes of a long message that leave in one turn. While they do, a short message waits.
pub const FRAGMENT: usize = 16 * 1024;

/// Bytes of long messages that one stream may send before the next has its turn. A message that is whole sooner holds memory for a shorter time, at
/// both ends, and nobody is served later by it but those who have long messages too.
const QUANTUM: usize = 1 << 20;

/// A message up to so many bytes leaves before longer ones go on.
const SHORT: usize = 4 * 1024;

/// Frames that may wait in front of a short message that does not take turns; with more, the peer does not read.
const MAX_DIRECT: usize = 1024;

/// What a message counts beside its bytes while it waits: one without a byte takes memory too.
pub const MESSAGE_WEIGHT: usize = 64;

/// Bytes that wait on a stream, from which a producer should wait.
pub const HIGH_WATER: usize = 64 * 1024;

/// Bytes that an OPEN and an END have beside their message and metadata, at most.
const OVERHEAD: usize = 64;

/// Why no call can be made on this connection, now or at all. The call has not been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer's HELLO has not come.
    #[error("the peer has not said yet what it puts up with")]
    TooEarly,
    /// As many calls are open as the peer puts up with.
    #[error("as many calls are open as the peer puts up with ({0})")]
    TooMany(u32),
    /// The peer takes no further calls, or the numbers are used up: another connection is needed.
    #[error("the connection takes no further calls")]
    Leaving,
    /// The message or the metadata is too large for the peer.
    #[error(transparent)]
    Say(#[from] SayError),
}

/// Why something cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// The stream is closed, or its direction has ended.
    #[error("the call is over")]
    Closed,
    /// The message is longer than the peer takes.
    #[error("a message of {size} bytes is longer than the peer takes ({limit})")]
    MessageTooLarge {
        /// Its size, in bytes.
        size: usize,
        /// What the peer takes.
        limit: usize,
    },
    /// The metadata is longer than the peer takes.
    #[error("metadata of {size} bytes is longer than the peer takes ({limit})")]
    MetadataTooLarge {
        /// Its size, in bytes.
        size: usize,
        /// What the peer takes.
        limit: usize,
    },
}

impl Session {
    /// Whether a call can be made.
    ///
    /// # Errors
    /// Why not.
    pub fn can_call(&self) -> Result<(), CallError> {
        let Some(theirs) = &self.theirs else { return Err(CallError::TooEarly) };
        if self.answered.is_some() || self.next.is_none() || self.is_done_leaving() {
            return Err(CallError::Leaving);
        }
        // Calls that were given up before they left count until they leave: a peer that does not read gets no further ones.
        let most = theirs.max_streams;
        if self.calls >= most || self.opening >= most { Err(CallError::TooMany(most)) } else { Ok(()) }
    }

    /// Makes a call, with its first message if there is one, and says whether it is the last. Gives the number of the call.
    ///
    /// # Errors
    /// Why it cannot be made; nothing was sent.
    pub fn call(&mut self, call: Call, message: Option<Message>, last: bool) -> Result<u32, CallError> {
        self.can_call()?;
        let (Some(theirs), Some(stream)) = (self.theirs, self.next) else { return Err(CallError::Leaving) };
        check(&theirs, message.as_ref(), call.metadata.as_bytes().len())?;
        let room = room(&theirs, call.metadata.as_bytes().len()).ok_or(too_much_metadata(&call, &theirs))?;
        self.next = stream.checked_add(2);
        self.calls += 1;
        self.opening += 1;
        let mut entry = Stream::new(false, self.ours.stream_credit, theirs.stream_credit);
        entry.said_last = last;
        let whole = message.as_ref().is_none_or(|message| message.bytes.len() <= room);
        let (now, later) = if whole { (message, None) } else { (None, message) };
        let open = Open { stream, call, message: now.map(piece), last: last && whole };
        self.urgent.push_back(Frame::Open(open));
        if let Some(message) = later {
            self.unsent += message.bytes.len();
            entry.waiting().bytes = message.bytes.len();
            entry.waiting().messages.push_back(message);
            entry.waiting().last = last;
        }
        self.streams.insert(stream, entry);
        self.take_turn(stream);
        Ok(stream)
    }

    /// Sends a message on a call, and says whether it is the last. It is taken whatever waits: ask [`waiting`](Self::waiting) before.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn say(&mut self, number: u32, message: Message, last: bool) -> Result<(), SayError> {
        let Some(theirs) = self.theirs else { return Err(SayError::Closed) };
        check(&theirs, Some(&message), 0)?;
        let Some(stream) = self.streams.get_mut(&number).filter(|stream| !stream.said_last) else {
            return Err(SayError::Closed);
        };
        stream.said_last = last;
        let size = message.bytes.len();
        let credit = stream.may_say.min(self.may_say) as usize;
        let idle = stream.waiting.as_ref().is_none_or(|waiting| waiting.messages.is_empty());
        if idle && size <= SHORT && size <= credit && self.urgent.len() < MAX_DIRECT {
            stream.may_say -= size as u32;
            self.may_say -= size as u32;
            let data = Data { stream: number, message: Some(piece(message)), last };
            self.urgent.push_back(Frame::Data(data));
            return Ok(());
        }
        let waiting = stream.waiting();
        waiting.bytes += size;
        self.unsent += size;
        waiting.messages.push_back(message);
        waiting.last = last;
        self.take_turn(number);
        Ok(())
    }

    /// Says that no message follows on a call.
    pub fn say_last(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number).filter(|stream| !stream.said_last) else { return };
        stream.said_last = true;
        match stream.waiting.as_mut().filter(|waiting| !waiting.messages.is_empty()) {
            Some(waiting) => waiting.last = true,
            None => self.urgent.push_back(Frame::Data(Data { stream: number, message: None, last: true })),
        }
    }

    /// Answers a call of the peer's, behind what waits, with a last message if there is one. The stream is closed then.
    ///
    /// # Errors
    /// The message or the trailers are too large: the peer is told [`Code::Internal`](crate::proto::rpc::status::Code::Internal)
    /// in their place by who handles this.
    pub fn end(&mut self, number: u32, status: Status, message: Option<Message>) -> Result<(), SayError> {
        let Some(theirs) = self.theirs else { return Err(SayError::Closed) };
        let trailers = status.trailers.as_bytes().len();
        check(&theirs, message.as_ref(), trailers)?;
        let Some(stream) = self.streams.get_mut(&number).filter(|stream| stream.theirs) else {
            return Err(SayError::Closed);
        };
        let limit = theirs.max_metadata as usize;
        let room = room(&theirs, trailers + status.text.len().min(MAX_TEXT));
        let room = room.ok_or(SayError::MetadataTooLarge { size: trailers, limit })?;
        stream.said_last = true;
        let whole = message.as_ref().is_none_or(|message| message.bytes.len() <= room);
        if whole && stream.waiting.as_ref().is_none_or(|waiting| waiting.messages.is_empty()) {
            let message = message.map(piece);
            self.urgent.push_back(Frame::End(End { stream: number, status, message }));
            self.answering += 1;
            self.close(number);
            return Ok(());
        }
        let waiting = stream.waiting();
        if let Some(message) = message {
            waiting.bytes += message.bytes.len();
            self.unsent += message.bytes.len();
            waiting.messages.push_back(message);
        }
        if waiting.end.replace(status).is_none() {
            self.answering += 1;
        }
        self.take_turn(number);
        Ok(())
    }

    /// Answers a call of the peer's with an error in place of all that waits, and of the answer that it had if it waits too.
    ///
    /// # Errors
    /// The call is over.
    pub fn end_now(&mut self, number: u32, status: Status) -> Result<(), SayError> {
        if let Some(waiting) = self.streams.get_mut(&number).and_then(|stream| stream.waiting.as_mut()) {
            self.unsent -= std::mem::take(&mut waiting.bytes);
            waiting.messages.clear();
        }
        self.end(number, status, None)
    }

    /// Ends a call at once, in both directions; what waits is not sent.
    pub fn reset(&mut self, number: u32, code: ErrorCode, text: &str) {
        if self.streams.contains_key(&number) {
            self.say_reset(number, code, text);
            self.close(number);
        }
    }

    pub(super) fn say_reset(&mut self, stream: u32, code: ErrorCode, text: &str) {
        self.urgent.push_back(Frame::Reset(Reset { stream, code, text: text.to_owned() }));
    }

    /// Sends a PING.
    pub fn ping(&mut self, bytes: [u8; 8]) {
        self.urgent.push_back(Frame::Ping(bytes));
    }

    /// Bytes that wait on a call for credit or for their turn. A producer waits from [`HIGH_WATER`] on; then
    /// [`take_roomy`](Self::take_roomy) names the call when it may go on.
    #[must_use]
    pub fn waiting(&self, number: u32) -> usize {
        let waiting = self.streams.get(&number).and_then(|stream| stream.waiting.as_ref());
        waiting.map_or(0, |waiting| waiting.weight())
    }

    /// Bytes that wait on all calls together.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Calls on which less than [`HIGH_WATER`] waits again.
    pub fn take_roomy(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.roomy)
    }

    /// Whether [`pop`](Self::pop) may have something; if not, it has nothing.
    #[must_use]
    pub fn has_frames(&self) -> bool {
        !self.urgent.is_empty() || !self.turns.is_empty()
    }

    /// The next frame to send. Ask as long as there is room for one, so that what becomes urgent meanwhile need not wait behind it.
    pub fn pop(&mut self) -> Option<Frame> {
        if let Some(frame) = self.urgent.pop_front() {
            match frame {
                Frame::Pong(_) => self.pongs -= 1,
                Frame::End(_) => self.answering -= 1,
                Frame::Open(_) => self.opening -= 1,
                _ => {}
            }
            return Some(frame);
        }
        if self.stuck {
            return None;
        }
        let mut blocked = Vec::new();
        let frame = self.next_turn(&mut blocked);
        self.stuck = frame.is_none();
        // They stay in front, in their order: everybody waits for the connection, but for who has only its end to say.
        blocked.into_iter().rev().for_each(|number| self.turns.push_front(number));
        frame
    }

    /// The next frame of those that take turns; and who cannot go on until the connection has credit.
    fn next_turn(&mut self, blocked: &mut Vec<u32>) -> Option<Frame> {
        for _ in 0..self.turns.len() {
            let number = self.turns.pop_front()?;
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            let limit = self.theirs.map_or(0, |theirs| theirs.max_frame as usize).min(FRAGMENT);
            let (may_say, all) = (stream.may_say as usize, self.may_say as usize);
            let Some(waiting) = &mut stream.waiting else { continue };
            waiting.queued = false;
            let before = waiting.weight();
            let Some((frame, size)) = waiting.next(number, limit.min(may_say).min(all)) else {
                if all == 0 {
                    waiting.queued = true;
                    blocked.push(number);
                } else {
                    waiting.turn = 0; // it comes back with its own credit
                }
                continue;
            };
            stream.may_say -= size;
            self.may_say -= size;
            self.unsent -= size as usize;
            if before >= HIGH_WATER && waiting.weight() < HIGH_WATER {
                self.roomy.push(number);
            }
            match &frame {
                Frame::End(_) => {
                    self.answering -= 1;
                    self.close(number);
                }
                _ => self.go_on(number, size as usize),
            }
            return Some(frame);
        }
        None
    }

    /// A stream has sent so much of its messages in its turn, which goes on for a while.
    fn go_on(&mut self, number: u32, size: usize) {
        let Some(waiting) = self.streams.get_mut(&number).and_then(|stream| stream.waiting.as_mut()) else {
            return;
        };
        waiting.turn += size;
        if waiting.turn < QUANTUM && !waiting.is_done() {
            waiting.queued = true;
            return self.turns.push_front(number);
        }
        waiting.turn = 0;
        self.take_turn(number);
    }

    /// Lets a stream take turns, if it has something to send.
    pub(super) fn take_turn(&mut self, number: u32) {
        let waiting = self.streams.get_mut(&number).and_then(|stream| stream.waiting.as_mut());
        let Some(waiting) = waiting.filter(|waiting| !waiting.queued && !waiting.is_done()) else { return };
        waiting.queued = true;
        self.turns.push_back(number);
        self.stuck = false;
    }

    /// Which end we are.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }
}

impl Waiting {
    /// What waits, in bytes, with something for each message.
    fn weight(&self) -> usize {
        self.bytes + self.messages.len() * MESSAGE_WEIGHT
    }

    fn is_done(&self) -> bool {
        self.messages.is_empty() && self.end.is_none()
    }

    /// The next frame of the stream `number`, with at most `room` bytes of a message; and how many they are.
    fn next(&mut self, number: u32, room: usize) -> Option<(Frame, u32)> {
        let Some(message) = self.messages.front_mut() else {
            let status = self.end.take()?;
            return Some((Frame::End(End { stream: number, status, message: None }), 0));
        };
        let size = room.min(message.bytes.len());
        if size == 0 && !message.bytes.is_empty() {
            return None;
        }
        let compressed = message.compressed && !std::mem::replace(&mut self.begun, true);
        let bytes = message.bytes.split_to(size);
        let more = !message.bytes.is_empty();
        self.bytes -= size;
        if !more {
            self.messages.pop_front();
            self.begun = false;
        }
        let last = self.last && self.messages.is_empty() && !more;
        let piece = Piece { bytes, more, compressed };
        Some((Frame::Data(Data { stream: number, message: Some(piece), last }), size as u32))
    }
}

fn piece(message: Message) -> Piece {
    Piece { bytes: message.bytes, more: false, compressed: message.compressed }
}

/// Bytes of a message that fit into a frame with so many bytes of metadata and text; a longer message is cut into fragments. `None` when even these do not fit.
fn room(theirs: &Settings, beside: usize) -> Option<usize> {
    let room = (theirs.max_frame as usize).checked_sub(OVERHEAD + beside)?;
    Some(room.min(FRAGMENT))
}

fn check(theirs: &Settings, message: Option<&Message>, metadata: usize) -> Result<(), SayError> {
    let (size, limit) = (message.map_or(0, |message| message.bytes.len()), theirs.max_message as usize);
    if size > limit {
        return Err(SayError::MessageTooLarge { size, limit });
    }
    let limit = theirs.max_metadata as usize;
    if metadata > limit { Err(SayError::MetadataTooLarge { size: metadata, limit }) } else { Ok(()) }
}

fn too_much_metadata(call: &Call, theirs: &Settings) -> SayError {
    let limit = (theirs.max_frame as usize).saturating_sub(OVERHEAD);
    SayError::MetadataTooLarge { size: call.metadata.as_bytes().len(), limit }
}

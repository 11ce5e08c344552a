//! One connection's calls, as both sides see them: which streams are open, what is whole, and who may send how much.
//!
//! Pure: frames in, [`Event`]s out; and from what the application wants to say, frames in the order in which they should leave
//! ([`Session::pop`]): what is short or keeps the connection going first, then long messages in fragments and in turns. Both ends of
//! a connection are the same but for the numbers of their streams.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use self::calm::Calm;
use self::stream::{BadPiece, Stream};
use super::frame::{Call, Data, Frame, GoAway, Open, Piece, Reset};
use super::reject::{ErrorCode, Reject};
use super::settings::Settings;
use super::status::Status;

pub mod calm;
mod credit;
mod say;
mod stream;

pub use self::credit::MAX_UNFINISHED;
pub use self::say::{CallError, FRAGMENT, HIGH_WATER, MESSAGE_WEIGHT, SayError};
pub use self::stream::Message;

/// PONGs that may wait for a peer that asks and does not read.
const MAX_PONGS: usize = 100;

/// Frames that may wait for a peer that makes us say something and does not read, beside two for each call that there may be; of the calls that
/// the peer takes, no more than this are counted.
pub const MAX_URGENT: usize = 16 * 1024;

/// Bytes that may wait for a peer that does not read its answers, unless told otherwise.
pub const MAX_UNSENT: usize = 64 << 20;

/// What the PING between the two steps of leaving says.
const LEAVING: [u8; 8] = *b"leaving\0";

/// Which end of a connection we are: it tells our streams from the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We have opened the connection; our streams are odd.
    Client,
    /// Our streams are even.
    Server,
}

/// What a frame meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer has said what it puts up with: calls can be made.
    Hello(Settings),
    /// The peer calls. With `message` the first message is whole already; with `last` none follows.
    Call {
        /// The number of the call.
        stream: u32,
        /// What is called.
        call: Call,
        /// The first message.
        message: Option<Message>,
        /// None follows.
        last: bool,
    },
    /// A message, and whether it is the last.
    Message {
        /// The call.
        stream: u32,
        /// The message.
        message: Message,
        /// None follows.
        last: bool,
    },
    /// No message follows.
    Last {
        /// The call.
        stream: u32,
    },
    /// A call of ours was answered, and is over.
    End {
        /// The call.
        stream: u32,
        /// How it went.
        status: Status,
        /// The last message.
        message: Option<Message>,
    },
    /// The call is over at once; by the peer, or because of what the peer did on it.
    Reset(Reset),
    /// The peer answered our PING.
    Pong([u8; 8]),
    /// The peer takes no further calls. [`Session::unanswered`] tells which of ours it will not answer.
    GoAway(GoAway),
}

/// Numbers of streams are small and in order; a peer can make them collide only as far as it may have streams open.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio: neighbours end far apart.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Something for each of some streams, by their number.
pub type ByStream<T> = HashMap<u32, T, BuildHasherDefault<NumberHasher>>;

/// Streams for which the smallest map has room.
const LEAST: usize = 3;

/// The calls of a connection.
#[derive(Debug)]
pub struct Session {
    role: Role,
    ours: Settings,
    /// What the peer's HELLO said.
    theirs: Option<Settings>,
    streams: ByStream<Stream>,
    /// The number of our next call; `None` when there is none left.
    next: Option<u32>,
    /// The highest stream of the peer's that we know of.
    highest: u32,
    /// Calls of the peer that are at work here, whether their streams are open or not.
    at_work: u32,
    /// Those whose answer is given and has not left.
    answering: u32,
    /// Calls of ours that are open.
    calls: u32,
    /// Calls of ours whose OPEN has not left, whether they are over or not.
    opening: u32,
    /// Bytes of messages that are not whole.
    unfinished: usize,
    /// The stream whose message goes on while there are too many of them.
    favoured: Option<u32>,
    /// Credit of streams whose messages wait until there are fewer.
    withheld: BTreeMap<u32, u32>,
    /// Bytes of DATA that the peer may still send.
    may_hear: u32,
    /// Bytes that were consumed, and for which no credit was given yet.
    owed: u32,
    /// Bytes of DATA that we may still send.
    may_say: u32,
    /// Bytes that wait to be sent, on all streams.
    unsent: usize,
    /// From so many on no further call of the peer is looked at.
    max_unsent: usize,
    /// Frames that leave before any long message goes on.
    urgent: VecDeque<Frame>,
    /// PONGs among them.
    pongs: usize,
    /// Streams with something to send, in the order of their turns.
    turns: VecDeque<u32>,
    /// None of them can go on before the connection gets credit, or another joins them: they need not be looked at again.
    stuck: bool,
    /// Streams that have room again.
    roomy: Vec<u32>,
    calm: Calm,
    departure: Departure,
    /// What the peer said when it left: the highest of our streams that it answers.
    answered: Option<u32>,
}

/// How far we are in leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Staying,
    /// We said that we will leave, and wait for the PONG.
    Announced,
    /// Calls above this number are not looked at.
    Leaving(u32),
}

impl Session {
    /// A connection that has just been made. Its HELLO is the first frame that leaves.
    #[must_use]
    pub fn new(role: Role, ours: Settings) -> Self {
        let next = match role {
            Role::Client => 1,
            Role::Server => 2,
        };
        Self {
            role,
            ours,
            theirs: None,
            streams: ByStream::default(),
            next: Some(next),
            highest: 0,
            at_work: 0,
            answering: 0,
            calls: 0,
            opening: 0,
            unfinished: 0,
            favoured: None,
            withheld: BTreeMap::new(),
            may_hear: ours.connection_credit,
            owed: 0,
            may_say: 0,
            unsent: 0,
            max_unsent: MAX_UNSENT,
            urgent: VecDeque::from([Frame::Hello(ours)]),
            pongs: 0,
            turns: VecDeque::new(),
            stuck: false,
            roomy: Vec::new(),
            calm: Calm::new(Duration::from_millis(u64::from(ours.min_ping_interval))),
            departure: Departure::Staying,
            answered: None,
        }
    }

    /// Sets how much may wait for a peer that does not read its answers, in place of [`MAX_UNSENT`].
    pub fn limit_unsent(&mut self, bytes: usize) {
        self.max_unsent = bytes;
    }

    /// What the peer puts up with; `None` until its HELLO has come.
    #[must_use]
    pub fn theirs(&self) -> Option<&Settings> {
        self.theirs.as_ref()
    }

    /// Calls of ours that are not over.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// Calls of the peer that are at work here.
    #[must_use]
    pub fn at_work(&self) -> u32 {
        self.at_work
    }

    /// Whether nothing is open in either direction.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.at_work == 0
    }

    /// What a frame means, if anything.
    ///
    /// # Errors
    /// The peer broke the protocol: nothing more of it counts. It is told by [`abort`](Self::abort).
    #[inline]
    pub fn hear(&mut self, frame: Frame, now: Instant) -> Result<Option<Event>, Reject> {
        if self.urgent.len() > MAX_URGENT && self.urgent.len() > self.most_urgent() {
            return Err(Reject::Deaf);
        }
        match frame {
            Frame::Open(open) => self.hear_open(open, now),
            Frame::Data(data) => self.hear_data(data, now),
            Frame::End(end) => {
                let Some(stream) = self.known(end.stream)? else { return Ok(None) };
                if stream.theirs {
                    return Err(Reject::WrongStream { kind: 4, stream: end.stream });
                }
                if stream.is_within_message() && end.status.is_ok() {
                    return Err(Reject::AfterLast(end.stream));
                }
                let message = end.message.map(exempt);
                self.close(end.stream);
                Ok(Some(Event::End { stream: end.stream, status: end.status, message }))
            }
            rare => self.hear_rare(rare, now),
        }
    }

    /// Frames that may wait for a peer that reads. What it says of itself does not make them endless.
    fn most_urgent(&self) -> usize {
        let theirs = self.theirs.map_or(0, |theirs| theirs.max_streams as usize).min(MAX_URGENT);
        MAX_URGENT.saturating_add((self.ours.max_streams as usize).saturating_add(theirs).saturating_mul(2))
    }

    fn hear_rare(&mut self, frame: Frame, now: Instant) -> Result<Option<Event>, Reject> {
        match frame {
            Frame::Hello(theirs) => {
                self.may_say = theirs.connection_credit;
                self.theirs = Some(theirs);
                Ok(Some(Event::Hello(theirs)))
            }
            Frame::Reset(reset) => {
                let Some(stream) = self.known(reset.stream)? else { return Ok(None) };
                if stream.theirs {
                    self.calm.reset(now)?;
                }
                self.close(reset.stream);
                Ok(Some(Event::Reset(reset)))
            }
            Frame::Credit { stream, bytes } => self.hear_credit(stream, bytes).map(|()| None),
            Frame::Ping(bytes) => {
                self.calm.ping(now)?;
                self.pongs += 1;
                if self.pongs > MAX_PONGS {
                    return Err(Reject::PingFlood);
                }
                self.urgent.push_back(Frame::Pong(bytes));
                Ok(None)
            }
            Frame::Pong(bytes) => {
                if bytes == LEAVING && self.departure == Departure::Announced {
                    self.depart();
                    return Ok(None);
                }
                Ok(Some(Event::Pong(bytes)))
            }
            Frame::GoAway(away) => {
                self.answered = Some(self.answered.unwrap_or(u32::MAX).min(away.last));
                Ok(Some(Event::GoAway(away)))
            }
            Frame::Open(_) | Frame::Data(_) | Frame::End(_) => Ok(None), // heard before
        }
    }

    fn hear_open(&mut self, open: Open, now: Instant) -> Result<Option<Event>, Reject> {
        let Open { stream, call, message, last } = open;
        if self.is_ours(stream) || stream <= self.highest {
            return Err(Reject::StreamOrder(stream));
        }
        self.highest = stream;
        if matches!(self.departure, Departure::Leaving(_)) {
            return Ok(None); // it is above what we said that we answer
        }
        // A call counts until its answer has left: a peer that does not read gets no further ones.
        if self.at_work.saturating_add(self.answering) >= self.ours.max_streams {
            self.calm.reset(now)?;
            self.say_reset(stream, ErrorCode::REFUSED, "too many calls");
            return Ok(None);
        }
        if self.unsent >= self.max_unsent {
            self.calm.reset(now)?;
            self.say_reset(stream, ErrorCode::REFUSED, "too much waits to be read");
            return Ok(None);
        }
        let limit = self.ours.max_message as usize;
        let may_say = self.theirs.map_or(0, |theirs| theirs.stream_credit);
        let mut entry = Stream::new(true, self.ours.stream_credit, may_say);
        let gathered = message.map(|piece| entry.gather(piece, 0, limit)).transpose();
        let Ok(message) = gathered else {
            self.calm.reset(now)?;
            self.say_reset(stream, ErrorCode::MESSAGE_TOO_LARGE, "");
            return Ok(None);
        };
        entry.heard_last = last;
        self.unfinished += entry.unfinished();
        self.streams.insert(stream, entry);
        self.at_work += 1;
        Ok(Some(Event::Call { stream, call, message: message.flatten(), last }))
    }

    fn hear_data(&mut self, data: Data, now: Instant) -> Result<Option<Event>, Reject> {
        let Data { stream: number, message: piece, last } = data;
        let size = piece.as_ref().map_or(0, |piece| u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX));
        self.may_hear = self.may_hear.checked_sub(size).ok_or(Reject::CreditOverrun)?;
        if size == 0 && piece.is_some() {
            self.calm.empty(now)?;
        }
        let limit = self.ours.max_message as usize;
        let Some(stream) = self.known(number)? else {
            self.owe(size);
            return Ok(None);
        };
        if stream.heard_last {
            return Err(Reject::AfterLast(number));
        }
        stream.may_hear = stream.may_hear.checked_sub(size).ok_or(Reject::CreditOverrun)?;
        stream.heard_last = last;
        let Some(piece) = piece else {
            return if stream.is_within_message() {
                Err(Reject::AfterLast(number))
            } else {
                Ok(Some(Event::Last { stream: number }))
            };
        };
        let before = stream.unfinished();
        let gathered = stream.gather(piece, size, limit);
        let early = if stream.unconsumed == 0 { stream.take_credit() } else { 0 };
        let after = stream.unfinished();
        self.unfinished = self.unfinished - before + after;
        match gathered {
            Ok(message) => {
                self.owe(early);
                self.early_credit(number, early);
                if message.is_some() {
                    if let Some(credit) = self.withheld.remove(&number) {
                        self.stream_credit(number, credit);
                    }
                    self.no_longer_unfinished(number);
                }
                Ok(message.map(|message| Event::Message { stream: number, message, last }))
            }
            Err(BadPiece::Compressed) => Err(Reject::Flags { kind: 3, flags: 8 }),
            Err(BadPiece::TooLarge) => {
                self.owe(size);
                self.owe(early);
                let reset = Reset { stream: number, code: ErrorCode::MESSAGE_TOO_LARGE, text: String::new() };
                self.urgent.push_back(Frame::Reset(reset.clone()));
                self.close(number);
                Ok(Some(Event::Reset(reset)))
            }
        }
    }

    /// The open stream of this number; `None` if it was closed.
    fn known(&mut self, number: u32) -> Result<Option<&mut Stream>, Reject> {
        let opened = if self.is_ours(number) {
            self.next.is_none_or(|next| number < next)
        } else {
            number <= self.highest
        };
        if opened { Ok(self.streams.get_mut(&number)) } else { Err(Reject::NeverOpened(number)) }
    }

    fn is_ours(&self, number: u32) -> bool {
        (number % 2 == 1) == (self.role == Role::Client)
    }

    /// Forgets a stream, and what is left of it.
    fn close(&mut self, number: u32) {
        let Some(mut stream) = self.streams.remove(&number) else { return };
        // A connection with few calls at a time is idle for most of it, and the least map is a tenth of it.
        if self.streams.is_empty() && self.streams.capacity() <= LEAST {
            self.streams = ByStream::default();
        }
        if !stream.theirs {
            self.calls -= 1;
        }
        if let Some(waiting) = &stream.waiting {
            self.unsent -= waiting.bytes;
            if waiting.end.is_some() {
                self.answering -= 1; // its end will never leave
            }
        }
        self.unfinished -= stream.unfinished();
        self.owe(stream.take_credit());
        self.no_longer_unfinished(number);
    }

    /// Whether a stream is open: its call is under way, or its answer has not left.
    #[must_use]
    pub fn is_open(&self, number: u32) -> bool {
        self.streams.contains_key(&number)
    }

    /// The streams that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.streams.len()
    }

    /// The handler of a call of the peer's is done with, and its place free. Once for each [`Event::Call`].
    pub fn release(&mut self) {
        self.at_work = self.at_work.saturating_sub(1);
    }

    /// Our calls that the peer has said it does not answer. They are over, and never reached a handler.
    pub fn unanswered(&mut self) -> Vec<u32> {
        let Some(last) = self.answered else { return Vec::new() };
        let beyond = |(&number, stream): (&u32, &Stream)| (!stream.theirs && number > last).then_some(number);
        let numbers: Vec<u32> = self.streams.iter().filter_map(beyond).collect();
        numbers.iter().for_each(|&number| self.close(number));
        numbers
    }

    /// Says that we will leave: the peer makes no further calls. Those that are under way, and those that it makes before it has heard of
    /// it, are answered.
    pub fn leave(&mut self) {
        // Before the peer's HELLO we say nothing but our own.
        if self.departure == Departure::Staying && self.theirs.is_some() {
            self.departure = Departure::Announced;
            self.urgent.push_back(Frame::GoAway(GoAway {
                last: u32::MAX,
                code: ErrorCode::NONE,
                text: String::new(),
            }));
            self.urgent.push_back(Frame::Ping(LEAVING));
        }
    }

    /// The second step of leaving.
    fn depart(&mut self) {
        self.departure = Departure::Leaving(self.highest);
        let (last, code) = (self.highest, ErrorCode::NONE);
        self.urgent.push_back(Frame::GoAway(GoAway { last, code, text: String::new() }));
    }

    /// Whether we leave, and every call of the peer is answered.
    #[must_use]
    pub fn has_left(&self) -> bool {
        matches!(self.departure, Departure::Leaving(_)) && !self.answers()
    }

    /// Whether the peer has said that it takes no further calls of ours.
    #[must_use]
    pub fn peer_leaves(&self) -> bool {
        self.answered.is_some()
    }

    /// Whether we leave, and answer no call at the moment. While we answer one we may call, as an answer may need to ask the peer something.
    #[must_use]
    pub fn is_done_leaving(&self) -> bool {
        self.departure != Departure::Staying && !self.answers()
    }

    /// Whether a call of the peer is not over.
    fn answers(&self) -> bool {
        self.at_work > 0 || self.streams.values().any(|stream| stream.theirs)
    }

    /// Says that the connection ends at once, and why.
    pub fn abort(&mut self, code: ErrorCode, text: &str) {
        self.departure = Departure::Leaving(self.highest);
        self.urgent.push_back(Frame::GoAway(GoAway { last: self.highest, code, text: text.to_owned() }));
    }
}

/// A message that needs no credit.
fn exempt(piece: Piece) -> Message {
    Message { bytes: piece.bytes, compressed: piece.compressed, credit: 0 }
}

#[cfg(test)]
mod tests;

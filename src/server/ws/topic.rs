//! One message to many sockets: encoded once, compressed once, and shared.
//!
//! A topic keeps the frames of late in one log, and each subscriber only its place in it. To publish is to append to the log and to
//! wake who waits; to deliver is to hand a socket the bytes between its place and the end, whatever number of messages they are, in
//! one piece that all sockets share. A subscriber that does not keep up costs nothing but its own place: when the log has moved on
//! beyond it, it is told so ([`Lagged`]), and its socket is closed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::metrics::Tally;
use super::{Event, Message, Socket, SocketError};
use crate::proto::ws::codec::{Role, encode};
use crate::proto::ws::deflate::{Agreed, Deflater, MAX_WINDOW_BITS};

/// Bytes of frames that a topic keeps for those who are behind, unless [`Topic::new`] is told otherwise.
pub const BACKLOG: usize = 1 << 20;

/// Frames that were published together are kept in chunks of about so many bytes.
const CHUNK: usize = 32 * 1024;

/// Many sockets that get the same messages. Clones are the same topic.
#[derive(Clone, Debug)]
pub struct Topic(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    backlog: usize,
    subscribers: AtomicUsize,
    lanes: Mutex<Lanes>,
    /// Compresses for all, beside the lanes: who subscribes or takes does not wait for it. With it, from how many bytes on.
    deflater: Mutex<Option<(usize, Deflater)>>,
}

/// The log, once as it is and once compressed, for the sockets that agreed on that.
#[derive(Debug, Default)]
struct Lanes {
    plain: Lane,
    deflated: Lane,
}

#[derive(Debug, Default)]
struct Lane {
    /// A place for each subscriber, where it leaves its waker when it waits. Without any nothing is kept.
    readers: Vec<Option<Waker>>,
    /// Places of subscribers that have gone.
    vacant: Vec<usize>,
    /// What was published, the oldest first.
    chunks: VecDeque<Chunk>,
    /// The number of the first of them.
    first: u64,
    /// Bytes in them.
    kept: usize,
    /// What was published and nobody has asked for.
    tail: BytesMut,
    /// Messages in it.
    tally: Tally,
}

/// Frames that were published together.
#[derive(Clone, Debug)]
struct Chunk {
    frames: Bytes,
    tally: Tally,
}

/// A subscriber was so far behind that messages were dropped that it had not got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("messages were published faster than they were taken")]
pub struct Lagged;

/// A place in a topic's log.
#[derive(Debug)]
pub struct Subscription {
    topic: Topic,
    deflated: bool,
    /// Which of the lane's readers it is.
    reader: usize,
    /// The next chunk.
    next: u64,
}

impl Default for Topic {
    fn default() -> Self {
        Self::new(BACKLOG)
    }
}

impl Topic {
    /// A topic that keeps `backlog` bytes for those who are behind. It should hold the largest burst of messages that may come at once:
    /// what does not fit pushes out what nobody had time to take.
    #[must_use]
    pub fn new(backlog: usize) -> Self {
        Self(Arc::new(Shared {
            backlog,
            subscribers: AtomicUsize::new(0),
            lanes: Mutex::default(),
            deflater: Mutex::default(),
        }))
    }

    /// How many sockets get what is published.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.0.subscribers.load(Ordering::Relaxed)
    }

    /// Sends `message` to every subscriber there is. It never waits for any of them.
    pub fn publish(&self, message: &Message) {
        let (plain, deflated) = self.lock().wanted();
        // Made before the lanes are locked: who subscribes or takes does not wait for it.
        let small = if deflated { self.deflate(message) } else { None };
        let frame = if plain || (deflated && small.is_none()) { encode(message, None) } else { Bytes::new() };
        let mut wakers = Vec::new();
        let mut lanes = self.lock();
        let (tally, backlog) = (Tally::one(message.len()), self.0.backlog);
        lanes.plain.publish(&frame, tally, backlog, &mut wakers);
        lanes.deflated.publish(small.as_ref().unwrap_or(&frame), tally, backlog, &mut wakers);
        drop(lanes);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A place at the end of the log, for `socket`: it gets what is published from now on.
    #[must_use]
    pub fn subscribe(&self, socket: &Socket) -> Subscription {
        let agreed = socket.compression().filter(|agreed| is_shareable(agreed));
        if let Some(agreed) = agreed {
            let new = || (agreed.threshold, Deflater::new(MAX_WINDOW_BITS, agreed.level, false));
            self.deflater().get_or_insert_with(new);
        }
        let mut lanes = self.lock();
        let deflated = agreed.is_some();
        let lane = lanes.lane(deflated);
        let (reader, next) = lane.join();
        drop(lanes);
        self.0.subscribers.fetch_add(1, Ordering::Relaxed);
        Subscription { topic: self.clone(), deflated, reader, next }
    }

    /// The frame of a message that is worth compressing.
    fn deflate(&self, message: &Message) -> Option<Bytes> {
        let mut deflater = self.deflater();
        let (threshold, deflater) = deflater.as_mut()?;
        (message.len() >= *threshold).then(|| encode(message, Some(deflater)))
    }

    fn deflater(&self) -> MutexGuard<'_, Option<(usize, Deflater)>> {
        self.0.deflater.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one compressed frame does for this connection too: it forgets every message, and has the largest window.
fn is_shareable(agreed: &Agreed) -> bool {
    agreed.params.server_no_context_takeover && agreed.params.server_window_bits == MAX_WINDOW_BITS
}

impl Lanes {
    /// Which of the two somebody reads.
    fn wanted(&self) -> (bool, bool) {
        (!self.plain.is_idle(), !self.deflated.is_idle())
    }

    fn lane(&mut self, deflated: bool) -> &mut Lane {
        if deflated { &mut self.deflated } else { &mut self.plain }
    }
}

impl Lane {
    /// Appends a frame, if somebody reads, and takes the wakers of those who wait. What is older than the backlog goes.
    fn publish(&mut self, frame: &[u8], tally: Tally, backlog: usize, wakers: &mut Vec<Waker>) {
        if self.is_idle() {
            return;
        }
        if self.tail.len() + frame.len() > CHUNK {
            self.seal();
        }
        self.tail.extend_from_slice(frame);
        self.tally += tally;
        while self.kept + self.tail.len() > backlog
            && let Some(oldest) = self.chunks.pop_front()
        {
            self.first += 1;
            self.kept -= oldest.frames.len();
        }
        wakers.extend(self.readers.iter_mut().filter_map(Option::take));
    }

    /// Makes a chunk of what nobody has asked for yet.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.kept += self.tail.len();
            let (frames, tally) = (self.tail.split().freeze(), std::mem::take(&mut self.tally));
            self.chunks.push_back(Chunk { frames, tally });
        }
    }

    /// The number of the chunk that comes next.
    fn end(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }

    fn is_idle(&self) -> bool {
        self.readers.len() == self.vacant.len()
    }

    /// A place for one subscriber more, and the number of the chunk that it gets first.
    fn join(&mut self) -> (usize, u64) {
        self.seal();
        let reader = self.vacant.pop().unwrap_or_else(|| {
            self.readers.push(None);
            self.readers.len() - 1
        });
        (reader, self.end())
    }

    fn leave(&mut self, reader: usize) {
        self.readers[reader] = None;
        self.vacant.push(reader);
        if self.is_idle() {
            *self = Self { first: self.end(), ..Self::default() };
        }
    }
}

impl Subscription {
    /// Hands `socket` what was published since the last time. Waits until there is something. Cancel-safe: made for `select!`, beside
    /// [`Socket::turn`] and as long as the socket [has room](Socket::has_room).
    ///
    /// # Errors
    /// The subscriber was too far behind: the socket can only be closed.
    pub async fn ready(&mut self) -> Result<Frames, Lagged> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// [`ready`](Self::ready), for a task that polls.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frames, Lagged>> {
        let mut lanes = self.topic.lock();
        let lane = lanes.lane(self.deflated);
        lane.seal();
        let Some(skip) = self.next.checked_sub(lane.first) else {
            return Poll::Ready(Err(Lagged));
        };
        let fresh = lane.chunks.len().saturating_sub(usize::try_from(skip).unwrap_or(usize::MAX));
        if fresh == 0 {
            let place = &mut lane.readers[self.reader];
            if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *place = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        // A chunk at a time: then the socket is asked again whether it has room.
        let chunk = lane.chunks[lane.chunks.len() - fresh].clone();
        self.next += 1;
        Poll::Ready(Ok(Frames { chunk, deflated: self.deflated }))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut lanes = self.topic.lock();
        lanes.lane(self.deflated).leave(self.reader);
        drop(lanes);
        self.topic.0.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whole frames, shared by many sockets.
#[derive(Clone, Debug)]
pub struct Frames {
    chunk: Chunk,
    /// Some of them are compressed.
    deflated: bool,
}

impl Socket {
    /// Queues frames of a topic that it subscribes to.
    ///
    /// # Errors
    /// [`SocketError::Foreign`] when they were made for another kind of socket; otherwise as for [`feed`](Self::feed).
    pub fn feed_frames(&mut self, frames: Frames) -> Result<(), SocketError> {
        let readable = !frames.deflated || self.compression().is_some_and(is_shareable);
        if self.role() == Role::Client || !readable {
            return Err(SocketError::Foreign);
        }
        self.feed_encoded(frames.chunk.frames, frames.chunk.tally)
    }

    /// Sends everything that is published to `topic`, until the connection ends; says how. Each message that the peer sends goes to
    /// `heard`.
    ///
    /// # Errors
    /// How the connection failed; [`SocketError::Slow`] when the peer did not keep up.
    pub async fn relay(
        &mut self,
        topic: &Topic,
        mut heard: impl FnMut(Message) + Send,
    ) -> Result<(), SocketError> {
        let mut subscription = topic.subscribe(self);
        poll_fn(|cx| {
            loop {
                // First what was published: it leaves in one write with the turn that follows.
                while self.is_open() && self.has_room() {
                    match subscription.poll_ready(cx) {
                        Poll::Ready(Ok(frames)) => self.feed_frames(frames)?,
                        Poll::Ready(Err(Lagged)) => return Poll::Ready(Err(self.give_up())),
                        Poll::Pending => break,
                    }
                }
                match self.poll_turn(cx)? {
                    Poll::Ready(Event::Message(message)) => heard(message),
                    Poll::Ready(Event::Closed(_)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Event::Pong(_) | Event::Room) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests;

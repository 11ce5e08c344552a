//! What waits for a session: rooms in which something is new, and what it alone is told.
//!
//! Nothing is copied into a mailbox that a room's backlog has: the mailbox knows the room, and fetches the bytes when the session takes them.
//! What is for one session alone comes after all that was said in its rooms before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::room::{ReaderKey, RoomCell, State};
use crate::net::backlog::Lagged;
use crate::proto::chat::id::{MessageId, Seq};
use crate::proto::chat::room::Refusal;
use crate::server::chat::store::StoreError;

/// Bytes that one session alone may be behind. What comes through rooms has a limit of its own, in each room.
pub const MAX_UNREAD: usize = 1 << 20;

/// What a session takes out of its mailbox, in this order.
#[derive(Debug)]
pub enum Mail {
    /// Bytes in its dialect, framed.
    Bytes(Bytes),
    /// What became of a change that it has sent, by the number that it gave it.
    Done(u64, Result<Sent, Refused>),
    /// Another session of its user has entered a room, and brought it along. That it has come was said before.
    Entered(Arc<RoomCell>),
}

/// A change is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number in the room; 0 if it is in no log.
    pub seq: Seq,
    /// Its number everywhere.
    pub id: MessageId,
    /// Whether it is there since an earlier attempt.
    pub again: bool,
}

/// A change is not in the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// It may not be made.
    #[error(transparent)]
    Room(#[from] Refusal),
    /// It could not be kept. Another attempt may succeed.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Why a session has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is too far behind.
    Slow,
    /// Somebody ended it: the account did, or an operator, with this reason.
    Ended(String),
}

#[derive(Debug, Default)]
struct Inner {
    news: News,
    mail: Vec<Mail>,
    /// Bytes in it.
    bytes: usize,
    waker: Option<Waker>,
    /// Boxed, as nearly all sessions have none.
    end: Option<Box<End>>,
}

/// Rooms with news, and which of their readers it is. Most often it is one, for which no memory is asked.
#[derive(Debug, Default)]
struct News {
    first: Option<(Arc<RoomCell>, ReaderKey)>,
    others: Vec<(Arc<RoomCell>, ReaderKey)>,
}

/// Sessions that have news, and are woken when this is dropped: whoever is told several things of one transaction writes them at once.
#[derive(Debug, Default)]
pub(super) struct Wakers(Vec<Waker>);

impl Drop for Wakers {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

/// What waits for a session.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Inner>);

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is news in a room.
    pub(super) fn room(&self, room: Arc<RoomCell>, reader: ReaderKey, wakers: &mut Wakers) {
        let mut inner = self.lock();
        inner.news.push((room, reader));
        wakers.0.extend(inner.waker.take());
    }

    /// Puts something behind all that was said in rooms before. Must not be called while a room is locked.
    pub(super) fn put(&self, mail: Mail) {
        let mut inner = self.lock();
        inner.fetch();
        if let Mail::Bytes(bytes) = &mail {
            if bytes.is_empty() {
                return;
            }
            if inner.bytes + bytes.len() > MAX_UNREAD {
                inner.end(End::Slow);
            }
            inner.bytes += bytes.len();
        }
        if inner.end.is_none() {
            inner.mail.push(mail);
        }
        inner.wake();
    }

    /// Ends the session, after what it has in its mailbox.
    pub(super) fn end(&self, end: End) {
        let mut inner = self.lock();
        inner.end(end);
        inner.wake();
    }

    /// Takes out what is there, if there is anything, or the end. The waker is kept otherwise.
    ///
    /// # Errors
    /// The session has to end. What it could still be told was told before.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Result<Vec<Mail>, End>> {
        let mut inner = self.lock();
        let taken = inner.hand_over();
        if !taken.is_empty() {
            return Poll::Ready(Ok(taken));
        }
        if let Some(end) = &inner.end {
            return Poll::Ready(Err(End::clone(end)));
        }
        if inner.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            inner.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes out what is there now.
    pub fn take(&self) -> Vec<Mail> {
        self.lock().hand_over()
    }

    /// Fetches what a reader of a room has not got, whether it was told so or not, and does `then` with the room before anything more is said there.
    pub(super) fn fetch_from(&self, room: &Arc<RoomCell>, reader: ReaderKey, then: impl FnOnce(&mut State)) {
        let mut inner = self.lock();
        inner.fetch();
        inner.news.retain(|(other, key)| !(Arc::ptr_eq(other, room) && *key == reader));
        let mut state = room.lock();
        if state.read(reader, |new| inner.mail.push(new)).is_err() {
            inner.end(End::Slow);
        }
        then(&mut state);
        drop(state);
        inner.wake();
    }
}

impl News {
    fn push(&mut self, news: (Arc<RoomCell>, ReaderKey)) {
        match &self.first {
            None => self.first = Some(news),
            Some(_) => self.others.push(news),
        }
    }

    /// Hands what rooms have to `mail`. Whether the session had been far enough ahead for that.
    fn fetch(&mut self, mail: &mut Vec<Mail>) -> Result<(), Lagged> {
        let mut outcome = Ok(());
        for (room, reader) in self.first.take().into_iter().chain(self.others.drain(..)) {
            outcome = outcome.and(room.read(reader, |new| mail.push(new)));
        }
        outcome
    }

    fn retain(&mut self, keep: impl Fn(&(Arc<RoomCell>, ReaderKey)) -> bool) {
        self.first = self.first.take().filter(|news| keep(news));
        self.others.retain(keep);
    }
}

impl Inner {
    /// Gets the news of rooms.
    fn fetch(&mut self) {
        if self.news.fetch(&mut self.mail).is_err() {
            self.end(End::Slow);
        }
    }

    /// Gives away what is there, and what rooms have behind it, with its memory: few are told much between two times.
    fn hand_over(&mut self) -> Vec<Mail> {
        self.fetch();
        self.bytes = 0;
        std::mem::take(&mut self.mail)
    }

    /// The first reason counts.
    fn end(&mut self, end: End) {
        self.end.get_or_insert_with(|| Box::new(end));
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

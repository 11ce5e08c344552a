//! The one thread that writes.
//!
//! Callers put commands into a bounded queue. The thread takes what waits there into one transaction and answers when that is on
//! disk: a command alone is not delayed, and many share the cost of one `fsync`. If a transaction fails, each of its commands is tried
//! again alone, so that one that cannot be done fails no other. When there is nothing to do, the thread fills the full-text index and
//! deletes the rows of rooms that were dropped, in small steps.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::{Answer, StoreError};
use super::row::RoomN;
use super::state::State;
use super::{error, index, rooms};
use crate::proto::chat::id::{RoomId, Seq};

/// How long commands are gathered into one transaction at most, as long as they keep coming.
const GROUP_TIME: Duration = Duration::from_millis(5);

/// Drafts of a transaction, about.
const GROUP_DRAFTS: usize = 4096;

/// How long nothing must have happened before the full-text index is filled.
const INDEX_AFTER: Duration = Duration::from_millis(100);

/// How long work in the background rests after it has failed: the disk may be full.
const REST: Duration = Duration::from_secs(10);

/// What is to be done in a transaction.
trait Command: Send {
    fn run(&mut self, db: &Connection, state: &mut State) -> Result<(), StoreError>;
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
    /// How many drafts it is.
    fn weight(&self) -> usize;
}

struct Ask<T, F> {
    work: F,
    value: Option<T>,
    weight: usize,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&Connection, &mut State) -> Result<T, StoreError> + Send> Command for Ask<T, F> {
    fn run(&mut self, db: &Connection, state: &mut State) -> Result<(), StoreError> {
        self.value = Some((self.work)(db, state)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        let ended = || Err(StoreError::Away("the writer has ended".to_owned()));
        // Whoever asked may have gone; the work is done all the same.
        let _ = reply.send(outcome.and_then(|()| value.map_or_else(ended, Ok)));
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

enum Job {
    Command(Box<dyn Command>),
    /// Fill the full-text index of these rooms, and say when it is done.
    CatchUp(Vec<RoomId>, oneshot::Sender<()>),
}

/// A handle to the thread. Dropping it waits until the queue is done.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which keeps `held` as long as it runs.
    pub(super) fn start(
        db: Connection,
        folder: PathBuf,
        queue: usize,
        held: impl Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(queue.max(1));
        let mut life = Life {
            db,
            folder,
            queue: receiver,
            state: State::default(),
            waiting: VecDeque::new(),
            rest_until: None,
            quiet: false,
        };
        let work = move || {
            life.run();
            drop(life);
            drop(held);
        };
        let thread = thread::Builder::new().name("wireworks-store".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(sender), thread: Some(thread) })
    }

    /// Queues work, now; the future only waits for its answer. It may run twice, the second time as if the first had not been. `weight` is how
    /// many drafts it is.
    pub(super) fn ask<T, F>(&self, weight: usize, work: F) -> Answer<'static, T>
    where
        T: Send + 'static,
        F: FnMut(&Connection, &mut State) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let queued = self.send(Job::Command(Box::new(Ask { work, value: None, weight, reply })));
        Box::pin(async move {
            queued?;
            answer.await.unwrap_or_else(|_| Err(StoreError::Away("the writer has ended".to_owned())))
        })
    }

    /// As [`ask`](Self::ask), from a thread that may wait, for the queue, too.
    pub(super) fn ask_blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection, &mut State) -> Result<T, StoreError> + Send + 'static,
    {
        let ended = || StoreError::Away("the writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let job = Job::Command(Box::new(Ask { work, value: None, weight: 1, reply }));
        self.queue.as_ref().ok_or_else(ended)?.send(job).map_err(|_| ended())?;
        answer.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Fills the full-text index of these rooms with what has been appended by now.
    pub(super) fn catch_up(&self, rooms: Vec<RoomId>) -> Answer<'static, ()> {
        let (reply, answer) = oneshot::channel();
        let queued = self.send(Job::CatchUp(rooms, reply));
        Box::pin(async move {
            queued?;
            answer.await.map_err(|_| StoreError::Away("the writer has ended".to_owned()))
        })
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let outcome = self.queue.as_ref().map(|queue| queue.try_send(job));
        match outcome {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => {
                Err(StoreError::Away("too much waits to be written".to_owned()))
            }
            Some(Err(TrySendError::Disconnected(_))) | None => {
                Err(StoreError::Away("the writer has ended".to_owned()))
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Life {
    db: Connection,
    folder: PathBuf,
    queue: Receiver<Job>,
    state: State,
    waiting: VecDeque<Waiting>,
    /// No work in the background before this.
    rest_until: Option<Instant>,
    /// Nothing has come for [`INDEX_AFTER`].
    quiet: bool,
}

/// A search that waits until the index has come as far as it was when it began.
struct Waiting {
    rooms: Vec<(RoomN, Seq)>,
    reply: oneshot::Sender<()>,
}

impl Life {
    fn run(&mut self) {
        match index::unfinished(&self.db) {
            Ok(rooms) => self.state.unindexed = rooms,
            Err(error) => tracing::warn!(%error, "cannot see how far the full-text index is"),
        }
        self.state.dropped = true;
        loop {
            match self.next() {
                Ok(Job::Command(first)) => self.group(first),
                Ok(Job::CatchUp(rooms, reply)) => self.wait_for_index(&rooms, reply),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {}
            }
            let idle = self.quiet && self.has_work();
            if !self.waiting.is_empty() || idle {
                self.step();
            }
        }
    }

    /// The next job. `Empty` if there is none and something else can be done.
    fn next(&mut self) -> Result<Job, TryRecvError> {
        let busy = !self.waiting.is_empty() || self.quiet && self.has_work();
        let outcome = if busy {
            self.queue.try_recv()
        } else if self.state.dropped || !self.state.unindexed.is_empty() {
            let rest = self.rest_until.map(|until| until.saturating_duration_since(Instant::now()));
            let waited = self.queue.recv_timeout(rest.unwrap_or_default().max(INDEX_AFTER));
            waited.map_err(|error| match error {
                RecvTimeoutError::Timeout => TryRecvError::Empty,
                RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
            })
        } else {
            self.queue.recv().map_err(|_| TryRecvError::Disconnected)
        };
        self.quiet = matches!(outcome, Err(TryRecvError::Empty));
        outcome
    }

    /// Whether something can be done while nobody asks.
    fn has_work(&self) -> bool {
        let resting = self.rest_until.is_some_and(|until| Instant::now() < until);
        !resting && (self.state.dropped || !self.state.unindexed.is_empty())
    }

    /// Does a command and those that come meanwhile, in one transaction.
    fn group(&mut self, first: Box<dyn Command>) {
        let (mut done, outcome) = self.attempt(first, true);
        match (outcome, done.pop()) {
            (Err(error), Some((command, _))) if done.is_empty() => command.finish(Err(self.explain(error))),
            (Err(_), last) => done.into_iter().chain(last).for_each(|(command, _)| self.alone(command)),
            (Ok(()), last) => done.into_iter().chain(last).for_each(|(command, own)| command.finish(own)),
        }
    }

    fn alone(&mut self, command: Box<dyn Command>) {
        let (mut done, outcome) = self.attempt(command, false);
        if let Some((command, own)) = done.pop() {
            command.finish(outcome.map_err(|error| self.explain(error)).and(own));
        }
    }

    /// Runs a transaction. What it did is undone if that fails; then all its commands come back to be tried again.
    fn attempt(&mut self, first: Box<dyn Command>, gather: bool) -> (Done, Result<(), StoreError>) {
        let begun = Instant::now();
        let mut weight = 0;
        let mut done: Done = Vec::new();
        let mut outcome = self.sql("BEGIN IMMEDIATE");
        let mut next = Some(first);
        while let Some(mut command) = next.take() {
            if outcome.is_err() {
                done.push((command, Ok(())));
                break;
            }
            weight += command.weight();
            match command.run(&self.db, &mut self.state) {
                // These have changed nothing.
                own @ (Ok(()) | Err(StoreError::Taken | StoreError::None)) => done.push((command, own)),
                Err(error) => {
                    outcome = Err(error);
                    done.push((command, Ok(())));
                    break;
                }
            }
            if gather && weight < GROUP_DRAFTS && begun.elapsed() < GROUP_TIME {
                next = self.another();
            }
        }
        let outcome = outcome.and_then(|()| self.sql("COMMIT"));
        if outcome.is_err() {
            self.roll_back();
        }
        (done, outcome)
    }

    /// A command that waits already.
    fn another(&mut self) -> Option<Box<dyn Command>> {
        loop {
            match self.queue.try_recv() {
                Ok(Job::Command(command)) => return Some(command),
                Ok(Job::CatchUp(rooms, reply)) => self.wait_for_index(&rooms, reply),
                // A queue that has ended is seen again by whoever waits for it.
                Err(_) => return None,
            }
        }
    }

    fn sql(&self, sql: &str) -> Result<(), StoreError> {
        self.db.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn roll_back(&mut self) {
        // Some failures have rolled back already.
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction cannot be rolled back");
        }
        self.state.forget();
    }

    /// Names an exhausted quota, of which SQLite only says that it could not write.
    fn explain(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Away(why) if error::is_full(&self.folder) => StoreError::Full(why),
            error => error,
        }
    }

    fn wait_for_index(&mut self, rooms: &[RoomId], reply: oneshot::Sender<()>) {
        let resting = self.rest_until.is_some_and(|until| Instant::now() < until);
        let behind = if resting { Ok(Vec::new()) } else { index::behind(&self.db, rooms) };
        match behind {
            Ok(rooms) if !rooms.is_empty() => self.waiting.push_back(Waiting { rooms, reply }),
            Ok(_) => {
                let _ = reply.send(());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot see how far the full-text index is");
                let _ = reply.send(());
            }
        }
    }

    /// One step of what is done in the background.
    fn step(&mut self) {
        if let Err(error) = self.try_step() {
            self.roll_back();
            self.rest_until = Some(Instant::now() + REST);
            tracing::warn!(%error, "work on the chat's store rests for {} s", REST.as_secs());
            // A search without the newest messages is better than none.
            for waiting in self.waiting.drain(..) {
                let _ = waiting.reply.send(());
            }
        }
    }

    fn try_step(&mut self) -> Result<(), StoreError> {
        let first = self.waiting.front().and_then(|waiting| waiting.rooms.last().copied());
        let room = first.map(|(room, _)| room).or_else(|| self.state.unindexed.first().copied());
        if let Some(room) = room {
            self.sql("BEGIN IMMEDIATE")?;
            let progress = index::step(&self.db, room)?;
            self.sql("COMMIT")?;
            if progress.done() {
                self.state.unindexed.remove(&room);
            }
            if let Some(waiting) = self.waiting.front_mut() {
                waiting
                    .rooms
                    .retain(|(n, until)| *n != room || progress.indexed < *until && !progress.done());
            }
        } else if self.waiting.is_empty() {
            self.sql("BEGIN IMMEDIATE")?;
            self.state.dropped = rooms::clear(&self.db)?;
            self.sql("COMMIT")?;
        }
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.rooms.is_empty()) {
            let _ = waiting.reply.send(());
        }
        Ok(())
    }
}

/// Commands, with what became of each unless the transaction failed.
type Done = Vec<(Box<dyn Command>, Result<(), StoreError>)>;

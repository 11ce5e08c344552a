//! One connection, driven: frames in and out, the handlers of the peer's calls, and the calls of ours.
//!
//! It is one task. Other tasks reach it by its [`Mailbox`], and are answered in the [`Inbox`] of their call. Handlers run within it, so a
//! call that is answered at once costs no task, no channel and no wake-up; what takes the processor for long belongs into the blocking
//! lane. Everything that is to be said at a time leaves in one write.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use self::deadlines::Deadlines;
use self::handler::Running;
use crate::net::client::in_words;
use crate::net::clock::Timer;
use crate::net::conn::{Conn, ConnError, Linger, Turn};
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::serve::Place;
use crate::proto::rpc::codec::Codec;
use crate::proto::rpc::frame::{Frame, Reset};
use crate::proto::rpc::keeper::{Keeper, Verdict};
use crate::proto::rpc::reject::{ErrorCode, Reject};
use crate::proto::rpc::session::{ByStream, Event, Role, Session};
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::peer::Peer;
use crate::server::rpc::caller::{Caller, PeerCaller};
use crate::server::rpc::context::{Context as Ctx, Home};
use crate::server::rpc::lane::Lane;
use crate::server::rpc::observe::Watch;
use crate::server::rpc::settings::{LONGEST, Settings};
use crate::server::rpc::trailers::Trailers;

mod calls;
mod deadlines;
mod handler;
pub(super) mod inbox;
pub(super) mod mailbox;

pub(super) use self::handler::{Asked, Handle, Serve, Streams};
use self::inbox::{Inbox, Reach};
use self::mailbox::{Command, Mailbox, NewCall};

/// Bytes that are read from a peer after our last word, before its end is no longer waited for.
const LINGER_LIMIT: usize = 1 << 20;

/// Frames of a large batch: from so many on, the first half of it is answered before the second is looked at.
const LARGE_BATCH: usize = 32;

/// Frames that are heard in one turn, before others on the same thread have theirs.
const FRAMES_A_TURN: usize = 1024;

/// A connection.
pub(super) struct Link {
    conn: Conn<Io, Codec>,
    session: Session,
    settings: Arc<Settings>,
    serve: Arc<dyn Serve>,
    peer: Arc<Peer>,
    mailbox: Arc<Mailbox>,
    /// What was taken from the mailbox; kept for its memory.
    mail: Vec<Command>,
    /// When it was taken.
    taken: Instant,
    /// Calls of ours.
    ours: ByStream<Arc<Inbox>>,
    /// Calls of ours that wait until the peer can take them.
    queued: VecDeque<Box<NewCall>>,
    /// Their deadlines, by what they are numbered with.
    waits: Deadlines,
    serial: u32,
    /// A handler was given up, and holds its place until it is dropped.
    gave_up: bool,
    /// Calls of the peer whose handler is at work, or waits for its request.
    theirs: ByStream<Work>,
    handlers: FuturesUnordered<Running>,
    deadlines: Deadlines,
    keeper: Keeper,
    drain: Drain,
    home: Arc<Home>,
    /// The peer has answered a call of ours, or taken one.
    served: bool,
    /// We have been told to leave, or the peer has left.
    leaving: bool,
    /// We gave others on the thread a chance to say something too.
    yielded: bool,
    /// Who is told of the peer's calls.
    watch: Watch,
    _place: Option<Place>,
}

/// A call of the peer.
enum Work {
    /// Its one message is not whole.
    Awaited(Box<Asked>),
    /// Its handler is at work.
    Running(handler::Abort, Option<Arc<Inbox>>),
}

/// How a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The peer broke the protocol, and was told.
    #[error("the peer broke the protocol: {0}")]
    Peer(#[from] Reject),
    /// The stream failed.
    #[error("the connection failed: {}", in_words(.0))]
    Io(Arc<std::io::Error>),
    /// The peer was gone within a frame.
    #[error("the connection ended in the middle of a frame")]
    Torn,
    /// The peer closed the connection while calls were under way.
    #[error("the connection was closed by the peer")]
    Closed,
    /// The peer did not answer a ping, or sent no HELLO in time.
    #[error("the peer does not answer")]
    Silent,
    /// The peer ended the connection at once.
    #[error("the peer ended the connection: {code}{}{text}", if .text.is_empty() { "" } else { ": " })]
    Away {
        /// Why.
        code: ErrorCode,
        /// The same in its words.
        text: String,
    },
    /// We stopped before the calls were over.
    #[error("the connection was stopped")]
    Stopped,
}

impl LinkError {
    /// What the peer is told, if it can be told anything.
    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Peer(reject) => Some(reject.code()),
            Self::Silent => Some(ErrorCode::TIMEOUT),
            Self::Io(_) | Self::Torn | Self::Closed | Self::Away { .. } | Self::Stopped => None,
        }
    }
}

/// The frames that one read has brought. When they are many, each side has work for the other while it waits for it, if it does not keep all of it
/// back to the end: two that take turns over one batch become two that work on a half each.
#[derive(Default)]
struct Batch {
    /// Bytes of it, when it was new.
    bytes: usize,
    /// Bytes that were left when it was looked at last.
    left: usize,
    frames: usize,
}

impl Batch {
    /// Whether just now, with so many bytes left, the first half of a large batch was heard.
    fn is_half(&mut self, left: usize) -> bool {
        if left > self.left {
            *self = Self { bytes: left, left, frames: 0 };
        }
        let was = std::mem::replace(&mut self.left, left);
        self.frames += 1;
        let half = self.bytes / 2;
        was > half && left <= half && self.frames >= LARGE_BATCH
    }
}

/// What a connection is made of.
pub(super) struct Parts {
    pub(super) io: Io,
    /// Its deadlines.
    pub(super) timer: Timer,
    pub(super) role: Role,
    pub(super) settings: Arc<Settings>,
    pub(super) serve: Arc<dyn Serve>,
    pub(super) peer: Arc<Peer>,
    pub(super) drain: Drain,
    pub(super) place: Option<Place>,
    pub(super) watch: Watch,
    /// Where handlers leave heavy work.
    pub(super) lane: Option<Arc<Lane>>,
}

impl Link {
    /// A connection, boxed, as a future that holds it by value holds it twice; and who makes calls on it.
    pub(super) fn new(parts: Parts) -> (Box<Self>, Caller) {
        let Parts { io, timer, role, settings, serve, peer, drain, place, watch, lane } = parts;
        let hello = settings.hello();
        let (mut conn, mut session) = (Conn::new(io, Codec::new(hello), timer), Session::new(role, hello));
        session.limit_unsent(settings.max_unsent);
        let mailbox = Arc::new(Mailbox::new(lane));
        let caller = Caller::new(&mailbox);
        let back = PeerCaller::new(&mailbox, settings.max_message);
        let home = Arc::new(Home { drain: drain.clone(), back, trailers: Trailers::default() });
        conn.read_limit(Codec::READ_LIMIT);
        let made = conn.heard();
        let keeper = Keeper::new(made.into_std());
        let link = Box::new(Self {
            conn,
            session,
            settings,
            serve,
            peer,
            mailbox,
            mail: Vec::new(),
            taken: made,
            ours: ByStream::default(),
            queued: VecDeque::new(),
            waits: Deadlines::default(),
            serial: 0,
            gave_up: false,
            theirs: ByStream::default(),
            handlers: FuturesUnordered::new(),
            deadlines: Deadlines::default(),
            keeper,
            drain,
            home,
            served: false,
            leaving: false,
            yielded: false,
            watch,
            _place: place,
        });
        (link, caller)
    }

    /// Runs the connection to its end. Every call that is open then ends with a reason.
    pub(super) async fn run(mut self: Box<Self>) -> Result<(), LinkError> {
        let end = poll_fn(|cx| {
            let polled = self.poll(cx);
            self.watch.turn();
            polled
        })
        .await;
        self.end_all(match &end {
            Ok(()) => "the connection was closed".to_owned(),
            Err(error) => error.to_string(),
        });
        if let Err(error) = &end {
            let Some(code) = error.code() else { return end };
            self.session.abort(code, &error.to_string());
        }
        self.say();
        self.conn.set_deadline(Instant::now() + self.settings.close_timeout.min(LONGEST));
        let mut linger = Linger::new(LINGER_LIMIT);
        let drain = self.drain.clone();
        drain.unless_aborting(poll_fn(|cx| self.conn.poll_linger(cx, &mut linger))).await;
        end
    }

    /// Ends every call with a reason, and takes no further ones.
    fn end_all(&mut self, why: String) {
        let status = Status::new(Code::Unavailable, why);
        self.tell_served();
        self.mailbox.close(&status);
        for (_, inbox) in self.ours.drain() {
            inbox.end(status.clone(), None, Reach::Unknown);
        }
        for call in self.queued.drain(..) {
            call.inbox.end(status.clone(), None, Reach::Never);
        }
        for (_, work) in self.theirs.drain() {
            if let Work::Running(_, Some(inbox)) = work {
                inbox.end(Status::new(Code::Cancelled, "the connection is gone"), None, Reach::Unknown);
            }
        }
        self.handlers.clear();
        self.watch.close();
    }

    /// Tells whoever makes connections whether this one was of use, before it can be seen that it takes no further calls.
    fn tell_served(&self) {
        if self.served {
            self.mailbox.set_served();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        if self.drain.is_aborting() {
            return Poll::Ready(Err(LinkError::Stopped));
        }
        self.leaving |= self.drain.is_stopping();
        // On a runtime that runs who was woken last first, the first caller that says something would be the only one to be heard:
        // going to the back of the queue once lets the others say something too, and all of it leaves in one write.
        if !std::mem::replace(&mut self.yielded, true) && self.mailbox.has_mail() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut heard = 0;
        let mut batch = Batch::default();
        loop {
            let mut busy = self.read_mail(cx);
            busy |= self.run_handlers(cx);
            if self.leaving {
                self.leave();
            }
            busy |= self.expire_all(cx);
            self.say();
            while let Poll::Ready(turn) = self.conn.poll_turn(cx) {
                busy = true;
                if let Some(end) = self.take(turn) {
                    return Poll::Ready(end);
                }
                if std::mem::take(&mut self.gave_up) {
                    self.run_handlers(cx); // its place is free before the peer's next call is looked at
                }
                self.say();
                if batch.is_half(self.conn.unread()) {
                    // What fails here fails again in the next turn, which says so.
                    let _ = self.conn.poll_flush(cx);
                }
                heard += 1;
                if heard > FRAMES_A_TURN {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            if !busy {
                if let Some(end) = self.watch() {
                    return Poll::Ready(end);
                }
                // A ping that is due now leaves now.
                if let Poll::Ready(Err(error)) = self.conn.poll_flush(cx) {
                    return Poll::Ready(Err(LinkError::Io(Arc::new(error))));
                }
                break;
            }
        }
        self.yielded = false;
        Poll::Pending
    }

    /// What a turn of the connection has brought. The end, if it is that.
    fn take(&mut self, turn: Result<Turn<Frame>, ConnError<Reject>>) -> Option<Result<(), LinkError>> {
        let error = match turn {
            Ok(Turn::Item(frame)) => {
                self.watch.came(&frame);
                let now = self.conn.heard().into_std();
                match self.session.hear(frame, now) {
                    Ok(Some(event)) => return self.happen(event).map(Err),
                    Ok(None) => return None,
                    Err(reject) => LinkError::Peer(reject),
                }
            }
            Ok(Turn::Room) => return None,
            Ok(Turn::Closed) if self.ours.is_empty() && self.theirs.is_empty() => return Some(Ok(())),
            Ok(Turn::Closed) => LinkError::Closed,
            Err(ConnError::Torn) => LinkError::Torn,
            Err(ConnError::Io(error)) => LinkError::Io(Arc::new(error)),
            Err(ConnError::Proto(reject)) => LinkError::Peer(reject),
            Err(ConnError::Idle) => match self.keep() {
                Ok(()) => return None,
                Err(error) => error,
            },
        };
        Some(Err(error))
    }

    /// What a frame meant.
    fn happen(&mut self, event: Event) -> Option<LinkError> {
        match event {
            Event::Call { stream, call, message, last } => self.called(stream, call, message, last),
            Event::Message { stream, message, last } => self.delivered(stream, Some(message), last),
            Event::Last { stream } => self.delivered(stream, None, true),
            Event::End { stream, status, message } => {
                if let Some(inbox) = self.ours.remove(&stream) {
                    let never = status.advice.is_unseen();
                    self.served |= !never;
                    inbox.end(status, message, if never { Reach::Never } else { Reach::Answered });
                    self.call_queued();
                }
            }
            Event::Reset(reset) => self.was_reset(reset),
            Event::Hello(theirs) => {
                self.mailbox.set_compression(self.settings.compression(&theirs));
                self.keeper.greeted();
                self.call_queued();
            }
            Event::Pong(_) => {}
            Event::GoAway(away) => {
                for stream in self.session.unanswered() {
                    if let Some(inbox) = self.ours.remove(&stream) {
                        let status = Status::new(Code::Unavailable, "the server is going away");
                        inbox.end(status.advice(Advice::NotProcessed), None, Reach::Never);
                    }
                }
                if away.code != ErrorCode::NONE {
                    return Some(LinkError::Away { code: away.code, text: away.text });
                }
                self.served |= !self.ours.is_empty();
                self.tell_served();
                self.depart();
            }
        }
        None
    }

    /// A stream was ended at once.
    fn was_reset(&mut self, reset: Reset) {
        let Reset { stream, code, text } = reset;
        if let Some(inbox) = self.ours.remove(&stream) {
            let (code, reach) = match code {
                ErrorCode::REFUSED => (Code::Unavailable, Reach::Never),
                ErrorCode::CANCELLED => (Code::Cancelled, Reach::Unknown),
                ErrorCode::MESSAGE_TOO_LARGE => (Code::ResourceExhausted, Reach::Unknown),
                _ => (Code::Internal, Reach::Unknown),
            };
            let text = if text.is_empty() { format!("the call was reset: {}", reset.code) } else { text };
            inbox.end(Status::new(code, text), None, reach);
            self.call_queued();
        } else if self.theirs.contains_key(&stream) {
            self.give_up(stream, &Status::new(Code::Cancelled, "the caller has gone"));
        }
    }

    /// Does what other tasks want. Whether there was anything.
    fn read_mail(&mut self, cx: &Context<'_>) -> bool {
        let mut mail = std::mem::take(&mut self.mail);
        self.mailbox.take(&mut mail, cx.waker());
        let busy = !mail.is_empty();
        if busy {
            self.taken = Instant::now();
        }
        for command in mail.drain(..) {
            match command {
                Command::Call(call) => self.call(call),
                Command::Say { inbox, message, last } => self.say_message(&inbox, message, last),
                Command::SayLast { inbox } => self.say_last(&inbox),
                Command::Cancel { inbox } => self.cancel(&inbox),
                Command::Consumed { inbox, credit } => self.session.consumed(inbox.stream(), credit),
                Command::Leave => self.leaving = true,
            }
        }
        self.mail = mail;
        busy
    }

    /// Feeds frames to the connection as long as it has room.
    fn say(&mut self) {
        self.feed();
        if !self.queued.is_empty() {
            // What has left may have made room for them.
            self.call_queued();
            self.feed();
        }
        for stream in self.session.take_roomy() {
            let theirs = self.theirs.get(&stream).and_then(|work| match work {
                Work::Running(_, inbox) => inbox.as_ref(),
                Work::Awaited(_) => None,
            });
            if let Some(inbox) = self.ours.get(&stream).or(theirs) {
                inbox.seen(true);
            }
        }
    }

    fn feed(&mut self) {
        while self.session.has_frames() && self.conn.has_room() {
            let Some(frame) = self.session.pop() else { break };
            self.watch.leaves(&frame);
            // Frames can be said in any state.
            let _ = self.conn.feed(frame);
        }
    }

    /// Sets the deadline of what comes next; or it is over.
    fn watch(&mut self) -> Option<Result<(), LinkError>> {
        let quiet = self.ours.is_empty() && self.theirs.is_empty() && self.handlers.is_empty();
        if quiet
            && self.queued.is_empty()
            && !self.session.has_frames()
            && self.conn.is_flushed()
            && (self.session.has_left() || self.is_left())
        {
            return Some(Ok(()));
        }
        self.keep().err().map(Err)
    }

    /// The peer has left, and nothing of ours is open.
    fn is_left(&self) -> bool {
        !self.mailbox.is_open() && self.session.is_idle() && !self.session.has_frames()
    }

    /// Pings, and waits for the answer.
    fn keep(&mut self) -> Result<(), LinkError> {
        let (now, heard) = (Instant::now().into_std(), self.conn.heard().into_std());
        let mut patience = self.settings.patience;
        if let Some(theirs) = self.session.theirs() {
            // No more often than the peer puts up with.
            let least = Duration::from_millis(u64::from(theirs.min_ping_interval));
            patience.busy_interval = patience.busy_interval.map(|interval| interval.max(least));
            patience.idle_interval = patience.idle_interval.map(|interval| interval.max(least));
        }
        loop {
            let busy = !self.ours.is_empty() || !self.theirs.is_empty();
            match self.keeper.look(now, heard, busy, &patience) {
                Verdict::Wait(Some(at)) => self.conn.set_deadline(at.into()),
                Verdict::Wait(None) => self.conn.clear_deadline(),
                Verdict::Ping => {
                    self.session.ping(*b"alive?\0\0");
                    self.say();
                    continue;
                }
                Verdict::Silent => return Err(LinkError::Silent),
            }
            return Ok(());
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Its task was dropped, or has panicked: nobody waits for ever for all that.
        self.end_all("the connection is gone".to_owned());
    }
}

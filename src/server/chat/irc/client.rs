//! One connection: what it has said of itself, and the loop that reads its lines and gives it what its mailbox holds.
//!
//! What a command is answered with is gathered, and leaves behind what was said in the session's rooms before. A message that was sent
//! is not waited for: what became of it comes out of the mailbox at its place. Whatever is answered after it waits for that, so that
//! answers come in the order of their commands.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::dialect::{put, variant};
use super::link::{Link, Turned};
use super::registration::Coming;
use super::talk::Pending;
use super::{Handle, Inner};
use crate::net::bucket::Bucket;
use crate::net::clock::Timer;
use crate::net::drain::Drain;
use crate::proto::chat::id::{Millis, RoomId};
use crate::proto::chat::name::Nick;
use crate::proto::irc::authenticate::Incoming;
use crate::proto::irc::batch::Multiline;
use crate::proto::irc::cap::Caps;
use crate::proto::irc::command::Command;
use crate::proto::irc::line::Heard;
use crate::proto::irc::message::Message;
use crate::proto::irc::numeric::{self, Numeric};
use crate::proto::irc::reply::{Severity, labeled, standard};
use crate::proto::irc::write::Line;
use crate::server::chat::accounts::{self, Exchange};
use crate::server::chat::house::mailbox::{End, Mail};
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::told::Dialect;
use crate::server::chat::house::user::{Session, User};
use crate::server::chat::store::account::Account;

/// How long a client gets to take our last words.
const GOODBYE: Duration = Duration::from_secs(2);

/// The same when the server ends: it waits for nobody.
const LAST_GOODBYE: Duration = Duration::from_millis(100);

/// How long a client may take nothing at all, while there is more for it than its connection holds. What has come for it meanwhile is asked for again by
/// `CHATHISTORY`.
const STALL: Duration = Duration::from_secs(20);

/// How long a client that says too much is given nothing to read, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A connection. Its sets are trees, which need a third of the memory of tables as long as they are empty, as nearly all are.
pub(super) struct Client {
    pub(super) door: Arc<Inner>,
    link: Link,
    /// What accounts are told of it.
    pub(super) about: accounts::Client,
    pub(super) tls: bool,
    pub(super) caps: Caps,
    /// The version of capability negotiation: 301 or more.
    pub(super) version: u32,
    pub(super) nick: Option<Nick>,
    pub(super) account: Option<Arc<Account>>,
    pub(super) exchange: Option<Box<Exchange>>,
    pub(super) incoming: Incoming,
    pub(super) handle: Arc<Handle>,
    /// What it has said of itself, until it is registered.
    pub(super) coming: Option<Box<Coming>>,
    /// Once it is registered.
    pub(super) user: Option<Arc<User>>,
    /// The answers to the command that is handled.
    pub(super) replies: Vec<Line>,
    /// What follows them, outside of their label.
    pub(super) after: Vec<Line>,
    /// Changes that were sent and of which nothing was heard.
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) number: u64,
    /// What becomes of changes is an answer to the command.
    pub(super) collecting: bool,
    pub(super) multiline: Option<Box<Multiline>>,
    pub(super) watched: BTreeSet<Arc<str>>,
    /// Rooms that it was brought into when it came, and has not joined by itself.
    pub(super) restored: BTreeSet<RoomId>,
    /// Rooms that another session of its user has brought it into, and that it was not shown.
    brought: Vec<Arc<RoomCell>>,
    /// How far a guest has read, by the folded name of the target.
    pub(super) markers: BTreeMap<String, Millis>,
    bucket: Option<Bucket>,
    heard: Instant,
    /// Since when there is no room for more, and how many bytes waited then.
    full: Option<(Instant, usize)>,
    /// A PING is under way.
    pinged: bool,
    /// Of the connection's clock, whose bell rings when the server ends.
    timer: Timer,
    /// Why it has to end.
    pub(super) ending: Option<String>,
}

/// What a client waits for.
enum Next {
    Heard(Heard),
    /// The mailbox had something, which was given to the client.
    Mail,
    Room,
    Late,
    Closed,
    Ended(End),
}

impl Client {
    pub(super) fn new(door: Arc<Inner>, link: Link, about: accounts::Client, tls: bool) -> Box<Self> {
        let session = Session::new(Dialect { language: door.language, variant: variant(Caps::NONE) });
        let now = Instant::now();
        let mut timer = link.clock().timer();
        timer.set(now + door.settings.patience);
        let handle = Handle { session, secure: tls, spoke: AtomicU64::new(door.house.now()) };
        door.unknown.fetch_add(1, Ordering::Relaxed);
        Box::new(Self {
            timer,
            bucket: door.settings.rate.map(|rate| Bucket::full(rate, now.into_std())),
            door,
            link,
            about,
            tls,
            caps: Caps::NONE,
            version: 301,
            nick: None,
            account: None,
            exchange: None,
            incoming: Incoming::default(),
            handle: Arc::new(handle),
            coming: Some(Box::default()),
            user: None,
            replies: Vec::new(),
            after: Vec::new(),
            pending: BTreeMap::new(),
            number: 0,
            collecting: false,
            multiline: None,
            watched: BTreeSet::new(),
            restored: BTreeSet::new(),
            brought: Vec::new(),
            markers: BTreeMap::new(),
            heard: now,
            full: None,
            pinged: false,
            ending: None,
        })
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.handle.session
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self: Box<Self>, drain: &Drain) {
        loop {
            let next = poll_fn(|cx| {
                if drain.is_stopping() {
                    return Poll::Ready(Next::Ended(End::Ended("Server shutting down".to_owned())));
                }
                self.poll_next(cx)
            });
            match next.await {
                // Boxed, so that a connection that waits has no room for what commands need.
                Next::Heard(heard) => Box::pin(self.take(heard)).await,
                Next::Mail | Next::Room => {}
                Next::Late => self.late(),
                Next::Closed => self.end("Connection closed"),
                Next::Ended(End::Slow) => self.end("Max SendQ exceeded"),
                Next::Ended(End::Ended(reason)) => self.end(&reason),
            }
            if !self.brought.is_empty() {
                Box::pin(self.show_brought()).await;
            }
            if self.ending.is_some() {
                break;
            }
        }
        Box::pin(self.finish(drain)).await;
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.link.has_room() {
            self.full = None;
            match self.handle.session.mailbox.poll_take(cx) {
                Poll::Ready(Ok(mail)) => {
                    self.give(mail);
                    return Poll::Ready(Next::Mail);
                }
                Poll::Ready(Err(end)) => return Poll::Ready(Next::Ended(end)),
                Poll::Pending => {}
            }
        } else if self.full.is_none() && self.user.is_some() {
            self.begin_stall();
        }
        if self.timer.poll(cx).is_ready() {
            return Poll::Ready(Next::Late);
        }
        self.link.poll_turn(cx).map(|turned| match turned {
            Turned::Heard(heard) => Next::Heard(heard),
            Turned::Room => Next::Room,
            Turned::Closed => Next::Closed,
        })
    }

    async fn show_brought(&mut self) {
        while let Some(room) = self.brought.pop() {
            self.restored.insert(room.id());
            self.entered(&room).await;
            self.settle(None).await;
        }
    }

    /// It has to end, for this reason unless there is one.
    pub(super) fn end(&mut self, reason: &str) {
        self.ending.get_or_insert_with(|| reason.to_owned());
    }

    /// The timer has rung: asks whether the client is there, or ends it.
    fn late(&mut self) {
        let (ping, patience) = (self.door.settings.ping, self.door.settings.patience);
        let idle = self.heard.elapsed();
        if self.user.is_none() {
            return self.end("Registration timed out");
        }
        if let Some((since, before)) = self.full
            && since.elapsed() >= STALL
        {
            // Whoever is slow and takes something is given more time.
            return match self.link.unsent() {
                Some(unsent) if unsent >= before => self.end("Max SendQ exceeded"),
                _ => self.begin_stall(),
            };
        }
        if idle < ping {
            let at = self.heard + ping;
            return self.timer.set(at);
        }
        if self.pinged {
            let at = self.heard + ping + patience;
            if Instant::now() < at {
                return self.timer.set(at);
            }
            return self.end(&format!("Ping timeout: {} seconds", idle.as_secs()));
        }
        self.pinged = true;
        self.timer.set(Instant::now() + patience);
        let line = Line::new("", "PING").last(self.door.name());
        self.say(&line);
    }

    /// There is no room for more: from now on it has to take something. A WebSocket sees to that itself.
    fn begin_stall(&mut self) {
        let Some(unsent) = self.link.unsent() else { return };
        let now = Instant::now();
        self.full = Some((now, unsent));
        self.timer.set(now + STALL);
    }

    /// From now on it is asked whether it is there, when it says nothing.
    pub(super) fn keep_alive(&mut self) {
        let at = Instant::now() + self.door.settings.ping;
        self.timer.set(at);
    }

    /// Waits as long as its account, or the guests of its address, say too much by other connections.
    pub(super) async fn keep_pace(&mut self) {
        let Some(user) = self.user.clone() else { return };
        while let Err(wait) = self.door.house.pace(&user, self.about.address) {
            self.deliver();
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    /// Takes what was heard.
    async fn take(&mut self, heard: Heard) {
        self.heard = Instant::now();
        if std::mem::take(&mut self.pinged) {
            self.keep_alive();
        }
        // Lines that come too fast are handled later, and meanwhile none are read.
        if let (Some(bucket), Some(rate)) = (&mut self.bucket, self.door.settings.rate)
            && let Err(wait) = bucket.take(rate, self.heard.into_std())
        {
            self.deliver();
            tokio::time::sleep(wait).await;
            // It was not taken, and may be now.
            let _ = self.bucket.as_mut().map(|bucket| bucket.take(rate, std::time::Instant::now()));
        }
        let now = self.door.house.now();
        self.handle.spoke.store(now, Ordering::Relaxed);
        match heard {
            Heard::Line(text) => self.line(text.as_str()).await,
            Heard::TooLong => {
                self.reply(numeric::ERR_INPUTTOOLONG, &[]);
                self.settle(None).await;
            }
            Heard::Flood => self.end("ReadQ exceeded"),
            Heard::Nul => {
                let text = "The line holds a character that no line has";
                self.reply_text(numeric::ERR_UNKNOWNERROR, &["*"], text);
                self.settle(None).await;
            }
            Heard::NotUtf8(text) => self.not_utf8(text.as_str()).await,
        }
    }

    /// Answers a line that is not UTF-8, by its command and label if those can be read.
    async fn not_utf8(&mut self, text: &str) {
        let message = Message::parse(text).ok();
        let label = message.as_ref().and_then(|message| self.label(message));
        let known = message.and_then(|message| Command::find(message.command)).map_or("*", |row| row.name);
        self.fail(known, "INVALID_UTF8", &[], "Message rejected: it is not UTF-8");
        self.settle(label.as_deref()).await;
    }

    /// Sends what was gathered: behind what the mailbox holds, and framed by the label of the command.
    pub(super) async fn settle(&mut self, label: Option<&str>) {
        if !self.pending.is_empty() && (label.is_some() || !self.replies.is_empty()) {
            self.wait().await;
        }
        let mut out = BytesMut::new();
        if let Some(label) = label {
            let mut own = self.own_lines();
            own.append(&mut self.replies);
            let batch = format!("r{}", self.next_number());
            for line in labeled(self.door.name(), label, &batch, own) {
                put(&line, &mut out);
            }
        } else {
            self.deliver();
            // The names of a large channel are many lines, and their memory goes with them.
            for line in std::mem::take(&mut self.replies) {
                put(&line, &mut out);
            }
        }
        for line in self.after.drain(..) {
            put(&line, &mut out);
        }
        if !out.is_empty() {
            self.link.feed(out.freeze());
        }
    }

    /// A number that was not given before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Gives the client what its mailbox holds.
    fn deliver(&mut self) {
        let mail = self.handle.session.mailbox.take();
        self.give(mail);
    }

    fn give(&mut self, mail: Vec<Mail>) {
        for piece in mail {
            match piece {
                Mail::Bytes(bytes) if self.watched.is_empty() => self.link.feed(bytes),
                Mail::Bytes(bytes) => {
                    let bytes = self.addressed(bytes);
                    self.link.feed(bytes);
                }
                Mail::Entered(room) => self.brought.push(room),
                Mail::Done(number, outcome) => {
                    for line in self.done(number, outcome) {
                        if self.collecting {
                            self.replies.push(line);
                        } else {
                            self.say(&line);
                        }
                    }
                }
            }
        }
    }

    /// What watchers are told is written once for all of them: it becomes the client's own here.
    fn addressed(&self, bytes: Bytes) -> Bytes {
        let name = self.door.name();
        let numeric = |line: &[u8]| {
            let rest = line.strip_prefix(b":")?.strip_prefix(name.as_bytes())?;
            let rest = rest.strip_prefix(b" 730 * ").or_else(|| rest.strip_prefix(b" 731 * "))?;
            Some(line.len() - rest.len())
        };
        let Some(at) = numeric(&bytes) else { return bytes };
        let mut own = bytes[..at - 2].to_vec();
        own.extend_from_slice(self.called().as_bytes());
        own.push(b' ');
        own.extend_from_slice(&bytes[at..]);
        own.into()
    }

    /// What the mailbox holds of the client's own doings, as lines; the rest is sent.
    pub(super) fn own_lines(&mut self) -> Vec<Line> {
        let nick = self.user.as_ref().map(|user| user.nick());
        nick.map(|nick| self.lines_of(nick.as_str())).unwrap_or_default()
    }

    /// As [`deliver`](Self::deliver), but lines about the client itself, which is called so, are given back: they become answers.
    pub(super) fn lines_of(&mut self, nick: &str) -> Vec<Line> {
        let mut own = Vec::new();
        let source = format!("{nick}!");
        // The server says which role a member has who comes.
        let (mode, member) = (format!(":{} MODE ", self.door.name()), format!(" {nick}"));
        let is_own = |body: &str| {
            body.strip_prefix(':').is_some_and(|body| body.starts_with(&source))
                || body.starts_with(&mode) && body.ends_with(&member)
        };
        for piece in self.handle.session.mailbox.take() {
            let bytes = match piece {
                Mail::Bytes(bytes) => bytes,
                Mail::Entered(room) => {
                    self.brought.push(room);
                    continue;
                }
                Mail::Done(..) => continue,
            };
            let text = String::from_utf8_lossy(&bytes);
            for line in text.split("\r\n").filter(|line| !line.is_empty()) {
                let line = Line::from_text(line);
                if is_own(line.body()) {
                    own.push(line);
                } else {
                    let bytes = self.addressed(line.to_bytes());
                    self.link.feed(bytes);
                }
            }
        }
        own
    }

    /// Waits until it is known what became of everything that was sent.
    pub(super) async fn wait(&mut self) {
        while !self.pending.is_empty() {
            let reason = match poll_fn(|cx| self.handle.session.mailbox.poll_take(cx)).await {
                Ok(mail) => {
                    self.give(mail);
                    continue;
                }
                Err(End::Slow) => "Max SendQ exceeded".to_owned(),
                Err(End::Ended(reason)) => reason,
            };
            self.end(&reason);
            break;
        }
    }

    /// Sends a line at once.
    fn say(&mut self, line: &Line) {
        self.link.feed(line.to_bytes());
    }

    /// What the client is called in replies.
    pub(super) fn called(&self) -> String {
        match (&self.user, &self.nick) {
            (Some(user), _) => user.face().nick.to_string(),
            (None, Some(nick)) => nick.to_string(),
            (None, None) => "*".to_owned(),
        }
    }

    /// A numeric with its own text.
    pub(super) fn reply(&mut self, numeric: Numeric, params: &[&str]) {
        self.reply_text(numeric, params, numeric.text);
    }

    /// A numeric with another text.
    pub(super) fn reply_text(&mut self, numeric: Numeric, params: &[&str], text: &str) {
        let line = self.numeric(numeric, params).last(text);
        self.replies.push(line);
    }

    /// A numeric without a text.
    pub(super) fn reply_bare(&mut self, numeric: Numeric, params: &[&str]) {
        let line = self.numeric(numeric, params);
        self.replies.push(line);
    }

    pub(super) fn numeric(&self, numeric: Numeric, params: &[&str]) -> Line {
        let line = Line::numeric(self.door.name(), numeric, &self.called());
        params.iter().fold(line, |line, param| line.param(param))
    }

    /// A standard reply that something was not done.
    pub(super) fn fail(&mut self, command: &str, code: &str, context: &[&str], text: &str) {
        self.replies.push(standard(self.door.name(), Severity::Fail, command, code, context, text));
    }

    /// The end: what was sent is said, the house is told, and the connection is closed.
    async fn finish(mut self: Box<Self>, drain: &Drain) {
        let reason = self.ending.take().unwrap_or_default();
        self.deliver();
        for line in std::mem::take(&mut self.replies) {
            self.say(&line);
        }
        if let Some(user) = &self.user {
            let quit = Line::new(&super::dialect::mask(&user.face()), "QUIT").last(&reason);
            self.say(&quit);
        }
        let error = Line::new("", "ERROR").last(&format!("Closing link: {reason}"));
        self.say(&error);
        let (door, session) = (Arc::clone(&self.door), Arc::clone(self.session()));
        door.clients().remove(&session.id);
        for nick in std::mem::take(&mut self.watched) {
            if let Ok(nick) = nick.parse::<Nick>() {
                door.house.unwatch(session.id, &nick);
            }
        }
        match self.user.take() {
            Some(user) => {
                door.house.depart(&user, &session, &reason).await;
            }
            None => {
                door.unknown.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let goodbye = if drain.is_stopping() { LAST_GOODBYE } else { GOODBYE };
        let _ = tokio::time::timeout(goodbye, self.link.close()).await;
    }
}

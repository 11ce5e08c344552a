//! The conversation: one task between the socket, the input, the screen and the signals.

use std::future::pending;
use std::io;
use std::num::NonZeroU64;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::ending::Ending;
use super::input::{self, Input, Source};
use super::screen::{Item, Screen};
use super::status::{ConnectError, is_good, is_passing};
use super::words::{closed, closed_by_us, connected};
use crate::net::resilience::backoff::Policy;
use crate::server::load::signals::Signals;
use crate::server::ws::client::{Connect, OpenError, Reconnect};
use crate::server::ws::{CloseCode, CloseReason, Event, Message, Socket, SocketError};

/// What a user wishes of the conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// How long between two pings.
    pub(super) ping: Option<Duration>,
    /// How many messages.
    pub(super) count: Option<NonZeroU64>,
    /// How long to stay when the input has ended.
    pub(super) wait: Option<Duration>,
    /// Whether to come back.
    pub(super) reconnect: bool,
}

/// What the ping behind the last message says. Pings that measure hold eight bytes.
const PROOF: &[u8] = b"read?";

/// A conversation.
pub(super) struct Session {
    connect: Connect,
    plan: Plan,
    /// Until it is read.
    source: Option<Source>,
    input: Option<Receiver<Input>>,
    /// What was read while there was no connection.
    held: Option<Input>,
    screen: Sender<Item>,
    /// Until it is told.
    outcome: Option<oneshot::Receiver<io::Result<()>>>,
    signals: Signals,
    ending: Ending,
    /// We have decided to end.
    leaving: bool,
    /// Messages that came.
    came: u64,
    /// What pings are measured from.
    epoch: Instant,
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// By us, as there is no more to do.
    Ours,
    /// By the server.
    Theirs(Option<CloseReason>),
    /// By a failure.
    Failed(SocketError),
}

/// What a loop hears about, beside the socket.
enum Turn {
    Socket(Result<Event, SocketError>),
    Input(Option<Input>),
    Ping,
    Due,
    Signal,
    /// The output has ended.
    Output(io::Result<()>),
}

impl Session {
    pub(super) fn new(
        connect: Connect,
        plan: Plan,
        source: Source,
        (screen, outcome): Screen,
        signals: Signals,
    ) -> Self {
        Self {
            connect,
            plan,
            source: Some(source),
            input: None,
            held: None,
            screen,
            outcome: Some(outcome),
            signals,
            ending: Ending::Open,
            leaving: false,
            came: 0,
            epoch: Instant::now(),
        }
    }

    /// Connects, talks, and shows everything that came, whatever the end.
    pub(super) async fn run(mut self) -> Result<(), ConnectError> {
        let said = self.converse().await;
        let Self { screen, outcome, mut signals, .. } = self;
        drop(screen);
        if matches!(said, Err(ConnectError::Interrupted)) {
            return said; // at once
        }
        let Some(outcome) = outcome else {
            return said;
        };
        tokio::select! {
            shown = outcome => written(shown.unwrap_or(Ok(()))).and(said),
            () = signals.next() => Err(ConnectError::Interrupted),
        }
    }

    async fn converse(&mut self) -> Result<(), ConnectError> {
        let mut again = self.plan.reconnect.then(|| Reconnect::new(self.connect.clone(), Policy::default()));
        loop {
            let mut socket = self.open(again.as_mut()).await?;
            let end = self.talk(&mut socket).await?;
            let comes_back = again.is_some()
                && !self.leaving
                && match &end {
                    End::Ours | End::Failed(SocketError::Peer(_)) => false,
                    End::Theirs(reason) => is_passing(reason.as_ref()),
                    End::Failed(_) => true,
                };
            if !comes_back {
                if let End::Failed(SocketError::Peer(_)) = &end {
                    // The server is told what is wrong, and this process does not end before that has left.
                    tokio::select! {
                        () = socket.finish() => {}
                        () = self.signals.next() => return Err(ConnectError::Interrupted),
                    }
                }
                return self.over(end).await;
            }
            let why = match end {
                End::Theirs(reason) => closed(reason.as_ref()),
                End::Failed(error) => error.to_string(),
                End::Ours => return Ok(()),
            };
            self.show(Item::Lost(format!("{why}; connecting again"))).await;
        }
    }

    /// Opens the next socket, and the input with the first one.
    async fn open(&mut self, again: Option<&mut Reconnect>) -> Result<Socket, ConnectError> {
        let connect = self.connect.clone();
        let mut opening = pin!(async {
            match again {
                Some(again) => again.next().await,
                None => connect.connect().await,
            }
        });
        let opened: Result<_, OpenError> = loop {
            let due = self.ending.stays_until();
            tokio::select! {
                opened = &mut opening => break opened,
                () = self.signals.next() => return Err(ConnectError::Interrupted),
                // Its end counts from when it is there, be there a connection or not. What comes before waits.
                next = next(&mut self.input), if self.held.is_none() => match next {
                    None => drop(self.input_ended()),
                    held => self.held = held,
                },
                () = until(due) => return Err(ConnectError::Away),
            }
        };
        let (socket, _) = opened?;
        self.note(connected(&self.connect.url().to_string(), &socket)).await;
        if let Some(source) = self.source.take() {
            self.input = Some(input::start(source)?);
        }
        Ok(socket)
    }

    /// There is no more to send. Whether a ping is.
    fn input_ended(&mut self) -> bool {
        self.input = None;
        self.ending.input_ended(Instant::now().into_std(), self.plan.wait, self.plan.count.is_some())
    }

    /// Talks until the connection has ended.
    async fn talk(&mut self, socket: &mut Socket) -> Result<End, ConnectError> {
        let mut pings = self.plan.ping.map(|every| {
            let mut pings = interval(every);
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pings
        });
        if self.ending.reopened(Instant::now().into_std()) {
            self.prove(socket);
        }
        loop {
            let turn = self.turn(socket, pings.as_mut()).await;
            let over = match turn {
                Turn::Socket(Ok(Event::Closed(reason))) => return Ok(End::Theirs(reason)),
                Turn::Socket(Err(error)) => return Ok(End::Failed(error)),
                Turn::Socket(Ok(Event::Message(message))) => self.hear(message).await,
                Turn::Socket(Ok(Event::Pong(payload))) => {
                    self.pong(&payload).await;
                    false
                }
                Turn::Socket(Ok(Event::Room)) => false,
                Turn::Input(Some(message)) => {
                    // There is room; what is refused nevertheless is told by the next turn.
                    let _ = socket.feed(message?);
                    self.show(Item::Prompt).await;
                    false
                }
                Turn::Input(None) => {
                    if self.input_ended() {
                        self.prove(socket);
                    }
                    false
                }
                Turn::Ping => {
                    let passed = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    let _ = socket.ping(Bytes::copy_from_slice(&passed.to_be_bytes()));
                    false
                }
                Turn::Due | Turn::Signal => true,
                Turn::Output(outcome) => {
                    self.outcome = None;
                    written(outcome)?;
                    true
                }
            };
            if over {
                return self.close(socket).await;
            }
        }
    }

    /// Waits for whatever comes first. Nothing is taken that could not be shown, and no input that could not be sent.
    async fn turn(&mut self, socket: &mut Socket, pings: Option<&mut Interval>) -> Turn {
        let Self { screen, input, held, outcome, signals, ending, .. } = self;
        let (open, room) = (socket.is_open(), socket.has_room());
        let due = ending.deadline().filter(|_| open);
        let talking = async {
            // An error is the end of the output, which is heard of by itself.
            let _permit = screen.reserve().await;
            tokio::select! {
                biased;
                event = socket.turn() => Turn::Socket(event),
                next = held_or_next(held, input), if open && room => Turn::Input(next),
                () = tick(pings), if open && room => Turn::Ping,
            }
        };
        tokio::select! {
            biased;
            () = signals.next() => Turn::Signal,
            outcome = ended(outcome) => Turn::Output(outcome),
            turn = talking => turn,
            () = until(due) => Turn::Due,
        }
    }

    /// Shows a message. Whether it was the last one that was awaited.
    async fn hear(&mut self, message: Message) -> bool {
        self.came += 1;
        self.ending.message(Instant::now().into_std());
        self.show(Item::Message(message)).await;
        self.plan.count.is_some_and(|count| self.came >= count.get())
    }

    async fn pong(&mut self, payload: &[u8]) {
        if payload == PROOF {
            self.ending.proven(Instant::now().into_std());
        } else if let Ok(sent) = <[u8; 8]>::try_from(payload) {
            let sent = Duration::from_nanos(u64::from_be_bytes(sent));
            let trip = self.epoch.elapsed().saturating_sub(sent);
            self.note(format!("pong after {:.3} ms", trip.as_secs_f64() * 1e3)).await;
        }
    }

    fn prove(&self, socket: &mut Socket) {
        // Refused only at the end of the connection, which the next turn tells.
        let _ = socket.ping(Bytes::from_static(PROOF));
    }

    /// Closes the connection, unless somebody cannot wait for that.
    async fn close(&mut self, socket: &mut Socket) -> Result<End, ConnectError> {
        self.leaving = true;
        let closed = tokio::select! {
            closed = socket.close(CloseCode::NORMAL) => closed,
            () = self.signals.next() => return Err(ConnectError::Interrupted),
        };
        match closed {
            Ok(reason) if is_good(reason.as_ref()) => {
                self.note(closed_by_us(reason.as_ref())).await;
                Ok(End::Ours)
            }
            Ok(reason) => Ok(End::Theirs(reason)),
            Err(error) => Ok(End::Failed(error)),
        }
    }

    /// What the last end means.
    async fn over(&mut self, end: End) -> Result<(), ConnectError> {
        match end {
            End::Ours => {}
            End::Failed(error) => return Err(error.into()),
            End::Theirs(Some(reason)) if !is_good(Some(&reason)) => return Err(ConnectError::Closed(reason)),
            End::Theirs(reason) => self.note(closed(reason.as_ref())).await,
        }
        match self.plan.count {
            Some(count) if self.came < count.get() => {
                Err(ConnectError::Fewer { came: self.came, wanted: count.get() })
            }
            _ => Ok(()),
        }
    }

    async fn note(&mut self, text: String) {
        self.show(Item::Note(text)).await;
    }

    /// Whoever can be shown nothing more is heard of by the end of the output. One who does not read does not hold up a signal.
    async fn show(&mut self, item: Item) {
        let Self { screen, signals, .. } = self;
        tokio::select! {
            _ = screen.send(item) => {}
            () = signals.next() => {}
        }
    }
}

async fn ended(outcome: &mut Option<oneshot::Receiver<io::Result<()>>>) -> io::Result<()> {
    match outcome {
        Some(outcome) => outcome.await.unwrap_or(Ok(())),
        None => pending().await,
    }
}

async fn held_or_next(held: &mut Option<Input>, input: &mut Option<Receiver<Input>>) -> Option<Input> {
    match held.take() {
        Some(input) => Some(input),
        None => next(input).await,
    }
}

async fn next(input: &mut Option<Receiver<Input>>) -> Option<Input> {
    match input {
        Some(input) => input.recv().await,
        None => pending().await,
    }
}

async fn tick(pings: Option<&mut Interval>) {
    match pings {
        Some(pings) => {
            pings.tick().await;
        }
        None => pending().await,
    }
}

async fn until(due: Option<std::time::Instant>) {
    match due {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// A reader that has gone, as `head` does, has seen enough.
fn written(outcome: io::Result<()>) -> Result<(), ConnectError> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(ConnectError::Output),
    }
}

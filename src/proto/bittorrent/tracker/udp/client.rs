//! Asking trackers by UDP (BEP 15, "time outs" and "connecting"): all trackers over one socket, of one family each.
//!
//! A tracker is told nothing before it has given a connection id, which shows it that we are where we say. The id is
//! kept for a minute, for all that is asked there. What is not answered is said again after 15 s, 30 s, and so on up
//! to 15 * 2^8 s; a new id is asked for when the old one is too old by then. Answers count if they come from where was
//! asked and name the transaction, which nobody else can know; everything else is as if it had not come.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::question::{Answer, Output, Question, Ticket};
use super::{Request, Response};
use crate::proto::bittorrent::random::Random;
use crate::proto::bittorrent::tracker::error::{TrackerError, text};

/// How long a connection id is used (BEP 15, "one minute after they have received it").
pub const CONNECTION: Duration = Duration::from_secs(60);

/// Until something is said again for the first time; then twice as long each time.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bounds of a [`Client`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often a question is said again, at most 8.
    pub retransmissions: u32,
    /// Questions that are not answered yet.
    pub questions: usize,
}

impl Default for Limits {
    /// 8 times, which is more than two hours (BEP 15), and 1,024 questions.
    fn default() -> Self {
        Self { retransmissions: 8, questions: 1024 }
    }
}

/// More questions than [`Limits::questions`] are open: try again when one is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many trackers are asked at once")]
pub struct Busy;

/// What there is with a tracker.
#[derive(Debug)]
enum Connection {
    /// An id was asked for.
    Asked { transaction: u32, until: Instant },
    /// There is one.
    Open { id: u64, until: Instant },
}

/// A question that is not answered yet.
#[derive(Debug)]
struct Open {
    tracker: SocketAddr,
    question: Question,
    /// How often something about it was said in vain.
    vain: u32,
    /// Its transaction, and until when the answer is awaited; `None` while there is no connection id.
    sent: Option<(u32, Instant)>,
}

/// Asks trackers.
#[derive(Debug)]
pub struct Client {
    limits: Limits,
    connections: BTreeMap<SocketAddr, Connection>,
    open: BTreeMap<Ticket, Open>,
    last: u64,
    outputs: VecDeque<Output>,
    random: Random,
}

impl Client {
    /// One that has asked nothing. Transactions come from `seed`; it is to be one that others do not know.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits: Limits { retransmissions: limits.retransmissions.min(8), ..limits },
            connections: BTreeMap::new(),
            open: BTreeMap::new(),
            last: 0,
            outputs: VecDeque::new(),
            random: Random::new(seed),
        }
    }

    /// Asks a tracker.
    ///
    /// # Errors
    /// Too many questions are open.
    pub fn ask(&mut self, now: Instant, tracker: SocketAddr, question: Question) -> Result<Ticket, Busy> {
        if self.open.len() >= self.limits.questions {
            return Err(Busy);
        }
        self.last += 1;
        let ticket = Ticket(self.last);
        self.open.insert(ticket, Open { tracker, question, vain: 0, sent: None });
        self.say(now, ticket);
        Ok(ticket)
    }

    /// Does not want the answer any more.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.open.remove(&ticket);
    }

    /// A packet has come.
    pub fn heard(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) {
        let Ok(response) = Response::read(packet, from.ip()) else { return };
        match response {
            Response::Connect { transaction, connection } if self.is_asked(from, transaction) => {
                let open = Connection::Open { id: connection, until: now + CONNECTION };
                self.connections.insert(from, open);
                self.waiting(from).into_iter().for_each(|ticket| self.say(now, ticket));
            }
            Response::Connect { .. } => {}
            Response::Announce { transaction, reply } => {
                if let Some((ticket, Question::Announce { .. })) = self.named(from, transaction) {
                    self.done(ticket, Ok(Answer::Announce(reply)));
                }
            }
            Response::Scrape { transaction, counts } => {
                if let Some((ticket, Question::Scrape(hashes))) = self.named(from, transaction) {
                    let counts = hashes.iter().copied().zip(counts).collect();
                    self.done(ticket, Ok(Answer::Scrape(counts)));
                }
            }
            Response::Error { transaction, message } => {
                let refused = TrackerError::Refused { reason: text(&message), retry: None };
                if self.is_asked(from, transaction) {
                    self.connections.remove(&from);
                    for ticket in self.waiting(from) {
                        self.done(ticket, Err(refused.clone()));
                    }
                } else if let Some((ticket, _)) = self.named(from, transaction) {
                    // It may be the id that it does not like.
                    self.connections.remove(&from);
                    self.done(ticket, Err(refused));
                }
            }
        }
    }

    /// What is to be done next. To be called until there is nothing, after each of the others.
    pub fn poll(&mut self, now: Instant) -> Option<Output> {
        if self.outputs.is_empty() && self.deadline().is_some_and(|deadline| deadline <= now) {
            self.tick(now);
        }
        self.outputs.pop_front()
    }

    /// When [`poll`](Self::poll) has something to do, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.values().map(|connection| match connection {
            Connection::Asked { until, .. } | Connection::Open { until, .. } => *until,
        });
        let open = self.open.values().filter_map(|open| open.sent.map(|(_, until)| until));
        connections.chain(open).min()
    }

    /// Time has gone by.
    fn tick(&mut self, now: Instant) {
        let mut late: Vec<Ticket> = Vec::new();
        let mut old: Vec<SocketAddr> = Vec::new();
        for (tracker, connection) in &self.connections {
            match connection {
                Connection::Asked { until, .. } if *until <= now => late.extend(self.waiting(*tracker)),
                Connection::Open { until, .. } if *until <= now => {}
                Connection::Asked { .. } | Connection::Open { .. } => continue,
            }
            old.push(*tracker);
        }
        for (ticket, open) in &self.open {
            if open.sent.is_some_and(|(_, until)| until <= now) {
                late.push(*ticket);
            }
        }
        for ticket in &late {
            let Some(open) = self.open.get_mut(ticket) else { continue };
            open.vain += 1;
            if open.vain > self.limits.retransmissions {
                self.done(*ticket, Err(TrackerError::Silent));
            }
        }
        // The youngest first: it is the least patient.
        late.sort_by_key(|ticket| self.open.get(ticket).map(|open| open.vain));
        late.into_iter().for_each(|ticket| self.say(now, ticket));
        // What was not asked for again is not wanted.
        for tracker in old {
            let over = |connection: &mut Connection| match connection {
                Connection::Asked { until, .. } | Connection::Open { until, .. } => *until <= now,
            };
            if self.connections.get_mut(&tracker).is_some_and(over) {
                self.connections.remove(&tracker);
            }
        }
    }

    /// Says what a question needs: itself, or that a connection id is wanted.
    fn say(&mut self, now: Instant, ticket: Ticket) {
        let Some(open) = self.open.get_mut(&ticket) else { return };
        let patience = PATIENCE * 2u32.pow(open.vain.min(8));
        let tracker = open.tracker;
        match self.connections.get(&tracker) {
            Some(Connection::Open { id, until }) if now < *until => {
                // The same transaction again: a late answer to the first packet is an answer.
                let fresh = self.random.next() as u32;
                let transaction = open.sent.map_or(fresh, |(transaction, _)| transaction);
                open.sent = Some((transaction, now + patience));
                let bytes = open.question.request(*id, transaction).to_bytes();
                self.outputs.push_back(Output::Send { to: tracker, bytes });
            }
            // Who comes new does not wait as long as who has waited for an hour already.
            Some(Connection::Asked { until, .. }) if now < *until && *until <= now + patience => {
                open.sent = None;
            }
            other => {
                open.sent = None;
                let fresh = self.random.next() as u32;
                let transaction = match other {
                    Some(Connection::Asked { transaction, .. }) => *transaction,
                    _ => fresh,
                };
                let asked = Connection::Asked { transaction, until: now + patience };
                self.connections.insert(tracker, asked);
                let bytes = Request::Connect { transaction }.to_bytes();
                self.outputs.push_back(Output::Send { to: tracker, bytes });
            }
        }
    }

    /// Questions for which there is no connection id yet.
    fn waiting(&self, tracker: SocketAddr) -> Vec<Ticket> {
        let waiting = self.open.iter().filter(|(_, open)| open.tracker == tracker && open.sent.is_none());
        waiting.map(|(ticket, _)| *ticket).collect()
    }

    /// Whether this tracker was asked for a connection id by this transaction.
    fn is_asked(&self, tracker: SocketAddr, transaction: u32) -> bool {
        matches!(self.connections.get(&tracker), Some(Connection::Asked { transaction: asked, .. })
            if *asked == transaction)
    }

    /// The question of this transaction.
    fn named(&self, tracker: SocketAddr, transaction: u32) -> Option<(Ticket, &Question)> {
        let is_it = |open: &Open| {
            open.tracker == tracker && open.sent.is_some_and(|(number, _)| number == transaction)
        };
        let (ticket, open) = self.open.iter().find(|(_, open)| is_it(open))?;
        Some((*ticket, &open.question))
    }

    fn done(&mut self, ticket: Ticket, answer: Result<Answer, TrackerError>) {
        if self.open.remove(&ticket).is_some() {
            self.outputs.push_back(Output::Done { ticket, answer });
        }
    }
}

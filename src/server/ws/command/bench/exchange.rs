//! One socket that sends, and checks what comes back.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::payload::Payloads;
use super::run::lock;
use super::tally::Tally;
use crate::server::load::bells::rung;
use crate::server::load::schedule::Schedule;
use crate::server::ws::{Event, Message, Socket, SocketError};

/// How long nothing may come back, while something is in flight, until it is taken for lost.
pub(super) const STALL: Duration = Duration::from_secs(10);

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("the server closed with {0}")]
    Closed(String),
    #[error("an answer is not what was sent")]
    Differs,
    #[error("a message came that answers nothing")]
    Unasked,
    #[error("nothing came back for 10 s")]
    Stalled,
}

/// The conversation of one socket.
pub(super) struct Exchange<'a> {
    pub(super) socket: &'a mut Socket,
    pub(super) schedule: Schedule,
    pub(super) payloads: &'a Payloads,
    /// The number of the first payload, so that sockets send different ones.
    pub(super) first: u64,
    pub(super) check: bool,
    /// Rings when a message is due, in an open loop.
    pub(super) bell: Option<&'a Notify>,
    pub(super) stop: &'a CancellationToken,
    pub(super) tally: &'a Mutex<Tally>,
    /// When the first message of all sockets was sent.
    pub(super) begin: Instant,
    /// When each message that is not answered was due, and its number.
    pub(super) in_flight: VecDeque<(Instant, u64)>,
    /// When something was heard, or sent after nothing was in flight.
    pub(super) progress: Instant,
}

impl Exchange<'_> {
    /// Sends and checks until the end. What did not come back is counted, however it ends.
    pub(super) async fn run(&mut self) -> Result<(), Fault> {
        let outcome = self.talk().await;
        let now = Instant::now();
        let mut tally = lock(self.tally);
        tally.unanswered += self.in_flight.len() as u64;
        tally.behind += self.schedule.behind(now.into_std());
        outcome
    }

    async fn talk(&mut self) -> Result<(), Fault> {
        let stop = self.stop;
        let mut stopped = pin!(stop.cancelled());
        let mut stopping = false;
        let mut timer = pin!(sleep_until(self.alarm(Instant::now())));
        let mut now = Instant::now();
        loop {
            self.send(now)?;
            if self.schedule.is_over(now.into_std()) && self.in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                event = self.socket.turn() => match event? {
                    Event::Message(message) => now = self.hear(&message)?,
                    Event::Closed(reason) => {
                        let with = reason.map_or("no code".into(), |reason| reason.code().to_string());
                        return Err(Fault::Closed(with));
                    }
                    Event::Pong(_) | Event::Room => now = Instant::now(),
                },
                () = rung(self.bell) => now = Instant::now(),
                () = &mut stopped, if !stopping => {
                    stopping = true;
                    now = Instant::now();
                    self.schedule.stop(now.into_std());
                    timer.as_mut().reset(self.alarm(now));
                }
                () = &mut timer => {
                    now = Instant::now();
                    if !self.in_flight.is_empty() && now >= self.progress + STALL {
                        return Err(Fault::Stalled);
                    }
                    timer.as_mut().reset(self.alarm(now));
                }
            }
        }
    }

    /// Sends what is due, as long as there is room.
    fn send(&mut self, now: Instant) -> Result<(), Fault> {
        while self.socket.has_room()
            && let Some(due) = self.schedule.due(now.into_std(), self.in_flight.len())
        {
            let number = self.first + self.schedule.send();
            if self.in_flight.is_empty() {
                self.progress = now;
            }
            self.in_flight.push_back((due.into(), number));
            self.socket.feed(self.payloads.nth(number).clone())?;
        }
        Ok(())
    }

    /// Counts an answer, and gives the time.
    fn hear(&mut self, message: &Message) -> Result<Instant, Fault> {
        let now = Instant::now();
        let (due, number) = self.in_flight.pop_front().ok_or(Fault::Unasked)?;
        if self.check && message != self.payloads.nth(number) {
            return Err(Fault::Differs);
        }
        self.progress = now;
        let mut tally = lock(self.tally);
        tally.messages += 1;
        tally.latency.record(now.saturating_duration_since(due));
        tally.measured = now.saturating_duration_since(self.begin);
        Ok(now)
    }

    /// When to look at the clock again: at the end of sending, and when an answer is overdue.
    fn alarm(&self, now: Instant) -> Instant {
        let overdue = (self.progress + STALL).max(now + STALL / 10);
        match self.schedule.end().map(Instant::from) {
            Some(end) if end > now => end.min(overdue),
            _ => overdue,
        }
    }
}

//! The life of one connection: opened when it is its turn, kept busy or idle, and closed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::exchange::{Exchange, Fault};
use super::run::{Run, lock};
use super::tally::Tally;
use crate::server::load::schedule::{Loop, Schedule, part, seconds};
use crate::server::ws::client::Connect;
use crate::server::ws::{CloseCode, Event, Socket};

/// One of the connections of a thread.
pub(super) struct Connection {
    pub(super) run: Arc<Run>,
    pub(super) connect: Connect,
    /// Its number among all.
    pub(super) index: u32,
    pub(super) tally: Arc<Mutex<Tally>>,
    /// The first signal, as the thread hears of it: what is looked at with each message is shared with no other thread.
    pub(super) stop: CancellationToken,
    /// The right to be opening.
    pub(super) turns: Arc<Semaphore>,
}

impl Connection {
    /// From the opening to the end.
    pub(super) async fn live(self) {
        let opened = self.open().await;
        let Some(begin) = self.run.all_open().await else {
            return;
        };
        let Some(mut socket) = opened else {
            return;
        };
        let outcome = if self.run.args.idle {
            self.hold(&mut socket, begin).await
        } else {
            self.exchange(&mut socket, begin).await
        };
        let closed = match outcome {
            Ok(()) => socket.close(CloseCode::NORMAL).await.map(drop).map_err(Fault::from),
            fault => fault,
        };
        if let Err(fault) = closed {
            let mut tally = lock(&self.tally);
            tally.lost += 1;
            tally.fault(fault.to_string(), 1);
        }
    }

    /// The socket, when there is one. Nothing is counted of one that is interrupted.
    async fn open(&self) -> Option<Socket> {
        self.stop.run_until_cancelled(self.connect()).await.flatten()
    }

    async fn connect(&self) -> Option<Socket> {
        if let Some(rate) = self.run.args.connect_rate {
            sleep_until(self.run.start + seconds(self.index.into(), rate.per_second())).await;
        }
        // Nobody closes it.
        let _turn = self.turns.acquire().await.ok()?;
        let from = Instant::now();
        let opened = self.connect.connect().await;
        let now = Instant::now();
        let mut tally = lock(&self.tally);
        match opened {
            Ok((socket, _)) => {
                tally.opened += 1;
                tally.opening.record(now - from);
                tally.opened_after = now - self.run.start;
                Some(socket)
            }
            Err(error) => {
                tally.failed += 1;
                tally.fault(error.to_string(), 1);
                None
            }
        }
    }

    /// Keeps a socket that says nothing.
    async fn hold(&self, socket: &mut Socket, begin: Instant) -> Result<(), Fault> {
        let held = async {
            loop {
                match socket.turn().await? {
                    Event::Closed(reason) => {
                        let with = reason.map_or("no code".into(), |reason| reason.code().to_string());
                        return Err(Fault::Closed(with));
                    }
                    // A server may say what it likes.
                    Event::Message(_) | Event::Pong(_) | Event::Room => {}
                }
            }
        };
        let outcome = tokio::select! {
            ended = held => ended,
            () = self.run.over(begin) => Ok(()),
        };
        lock(&self.tally).measured = begin.elapsed();
        outcome
    }

    async fn exchange(&self, socket: &mut Socket, begin: Instant) -> Result<(), Fault> {
        let args = &self.run.args;
        let connections = args.connections.get();
        let how = match args.rate {
            Some(rate) => Loop::Open { rate: rate.per_second(), index: self.index, connections },
            None => Loop::Closed(args.depth.get()),
        };
        let most = args.messages.map_or(u64::MAX, |all| part(all.get(), self.index, connections));
        let end = self.run.end(begin).map(Instant::into_std);
        let mut exchange = Exchange {
            socket,
            schedule: Schedule::new(how, begin.into_std(), end, most),
            payloads: &self.run.payloads,
            first: u64::from(self.index),
            check: !args.no_check,
            bell: self.run.bells.of(self.index),
            stop: &self.stop,
            tally: &self.tally,
            begin,
            in_flight: VecDeque::new(),
            progress: begin,
        };
        exchange.run().await
    }
}

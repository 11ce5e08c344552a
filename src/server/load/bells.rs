//! Tells connections when something is due, by the microsecond.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::schedule::seconds;

/// The longest sleep of the thread that rings: how late it notices the end.
const NAP: Duration = Duration::from_millis(100);

/// A bell for each connection of an open loop, which rings when the connection has something to send.
#[derive(Debug)]
pub(in crate::server) struct Bells(Vec<Notify>);

/// When they ring.
#[derive(Clone, Debug)]
pub(in crate::server) struct Ringing {
    /// When the first one rings.
    pub(in crate::server) begin: Instant,
    /// Rings a second, all connections in turn.
    pub(in crate::server) rate: f64,
    /// Rings at most.
    pub(in crate::server) most: u64,
    /// When it is over, if not before.
    pub(in crate::server) end: Option<Instant>,
    /// Ends it at once.
    pub(in crate::server) stop: CancellationToken,
}

impl Bells {
    /// So many.
    pub(in crate::server) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Notify::new()).collect())
    }

    /// That of a connection; `None` if it has none.
    pub(in crate::server) fn of(&self, connection: u32) -> Option<&Notify> {
        self.0.get(usize::try_from(connection).ok()?)
    }

    /// Rings each when something is due there; for a thread of its own. A thread sleeps to the microsecond; the timers of the runtime know
    /// milliseconds, which is longer than most answers take.
    pub(in crate::server) fn ring(&self, ringing: &Ringing) {
        for (number, bell) in (0..ringing.most).zip(self.0.iter().cycle()) {
            let Some(at) = ringing.begin.checked_add(seconds(number, ringing.rate)) else {
                return;
            };
            loop {
                let now = Instant::now();
                if ringing.stop.is_cancelled() || ringing.end.is_some_and(|end| now >= end) {
                    return;
                }
                match at.checked_duration_since(now) {
                    Some(early) if !early.is_zero() => thread::sleep(early.min(NAP)),
                    _ => break,
                }
            }
            bell.notify_one();
        }
    }
}

/// Waits for a bell; without one, for ever.
pub(in crate::server) async fn rung(bell: Option<&Notify>) {
    match bell {
        Some(bell) => bell.notified().await,
        None => std::future::pending().await,
    }
}

//! The run: threads with their connections, the moment in which all begin, and the signals.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::payload::Payloads;
use super::tally::Tally;
use super::{Args, BenchError, DURATION};
use crate::net::shards::{self, Threading};
use crate::server::load::bells::{Bells, Ringing};
use crate::server::load::signals::Signals;
use crate::server::process::raise_descriptor_limit;

/// Connections that a thread opens at once. More only wait in the server's queue, which is often 128 long.
const OPENING: usize = 64;

/// What all connections share.
pub(super) struct Run {
    pub(super) args: Args,
    /// When the opening began.
    pub(super) start: Instant,
    pub(super) payloads: Payloads,
    /// The first signal.
    pub(super) stop: CancellationToken,
    /// The second one.
    abort: CancellationToken,
    /// Where each connection waits for the others.
    gate: Barrier,
    /// When all were open.
    begin: OnceLock<Instant>,
    /// One for each connection, in an open loop.
    pub(super) bells: Bells,
}

/// Measures.
pub(super) fn run(args: &Args) -> Result<Tally, BenchError> {
    raise_descriptor_limit();
    let connections = usize::try_from(args.connections.get()).unwrap_or(usize::MAX);
    let size = usize::try_from(args.size.0).unwrap_or(usize::MAX);
    let bells = if args.rate.is_some() { connections } else { 0 };
    let run = Arc::new(Run {
        args: args.clone(),
        start: Instant::now(),
        payloads: Payloads::new(if args.idle { 0 } else { size }, args.text, fastrand::u64(..)),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
        gate: Barrier::new(connections),
        begin: OnceLock::new(),
        bells: Bells::new(bells),
    });
    let shared = Arc::clone(&run);
    let tallies = shards::run(Threading::PerCore, args.threads.into(), move |shard| {
        let run = Arc::clone(&shared);
        async move {
            let outcome = run.shard(shard).await;
            if outcome.is_err() {
                // The others would wait for this one's connections.
                run.abort.cancel();
            }
            outcome
        }
    })?;
    run.stop.cancel();
    let mut sum = Tally::default();
    let mut interrupted = false;
    for tally in tallies {
        match tally {
            Ok(tally) => sum.add(tally),
            Err(BenchError::Interrupted) => interrupted = true,
            Err(error) => return Err(error),
        }
    }
    if interrupted {
        return Err(BenchError::Interrupted);
    }
    if sum.unanswered > 0 {
        sum.fault("a message was not answered".into(), sum.unanswered);
    }
    Ok(sum)
}

impl Run {
    /// One thread: its part of the connections. The first one hears the signals.
    async fn shard(self: &Arc<Self>, shard: usize) -> Result<Tally, BenchError> {
        if shard == 0 {
            let signals = Signals::hear()?;
            tokio::spawn(Arc::clone(self).heed(signals));
        }
        let connect = self.args.target.connect(None)?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let turns = Arc::new(Semaphore::new(OPENING));
        let stop = self.stop.child_token();
        let mut tasks = JoinSet::new();
        let mine = |index: &u32| {
            usize::try_from(*index).unwrap_or_default() % usize::from(self.args.threads) == shard
        };
        for index in (0..self.args.connections.get()).filter(mine) {
            let connection = Connection {
                run: Arc::clone(self),
                connect: connect.clone(),
                index,
                tally: Arc::clone(&tally),
                stop: stop.clone(),
                turns: Arc::clone(&turns),
            };
            tasks.spawn(connection.live());
        }
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    lock(&tally).fault(error.to_string(), 1);
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = self.abort.cancelled() => return Err(BenchError::Interrupted),
        }
        Ok(std::mem::take(&mut *lock(&tally)))
    }

    /// The first signal ends it in order, the second one at once.
    async fn heed(self: Arc<Self>, mut signals: Signals) {
        signals.next().await;
        self.stop.cancel();
        signals.next().await;
        self.abort.cancel();
    }

    /// Waits until every connection is open, or has failed, and gives the moment in which all begin; `None` when there is none.
    pub(super) async fn all_open(self: &Arc<Self>) -> Option<Instant> {
        self.stop.run_until_cancelled(self.gate.wait()).await?;
        let begin = *self.begin.get_or_init(|| {
            let begin = Instant::now();
            if let Some(rate) = self.args.rate {
                let ringing = Ringing {
                    begin: begin.into_std(),
                    rate: rate.per_second(),
                    most: self.args.messages.map_or(u64::MAX, NonZeroU64::get),
                    end: self.end(begin).map(Instant::into_std),
                    stop: self.stop.clone(),
                };
                let run = Arc::clone(self);
                // Without the thread messages are late, which the report shows.
                let ring = thread::Builder::new().name("rate".into());
                let _ = ring.spawn(move || run.bells.ring(&ringing));
            }
            begin
        });
        Some(begin)
    }

    /// When sending ends, or holding.
    pub(super) fn end(&self, begin: Instant) -> Option<Instant> {
        let duration = match (self.args.duration, self.args.messages) {
            (None, Some(_)) => return None,
            (duration, _) => duration.map_or(DURATION, |span| span.0),
        };
        begin.checked_add(duration)
    }

    /// Waits until idle sockets have been held long enough.
    pub(super) async fn over(&self, begin: Instant) {
        let time = async {
            match self.end(begin) {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        self.stop.run_until_cancelled(time).await;
    }
}

/// A tally. Nobody panics with it locked.
pub(super) fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

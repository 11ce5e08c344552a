//! The run: threads with their connections, the moment in which all begin, and the signals.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Args;
use crate::net::shards::{self, Threading, cores};
use crate::net::times::Times;
use crate::proto::rpc::payload::Raw;
use crate::server::load::DIGITS;
use crate::server::load::bells::{Bells, Ringing, rung};
use crate::server::load::faults::Faults;
use crate::server::load::schedule::{Loop, Schedule, part};
use crate::server::load::signals::Signals;
use crate::server::process::raise_descriptor_limit;
use crate::server::rpc::command::RpcError;
use crate::server::rpc::demo::echo::EchoClient;

/// How long it takes when nobody says.
const DURATION: Duration = Duration::from_secs(10);

/// Connections that a thread makes at once. More only wait in the server's queue, which is often 128 long.
const OPENING: usize = 64;

/// What was measured. Tallies of several threads add up.
#[derive(Debug)]
pub(super) struct Tally {
    /// How long each call took that went well.
    pub(super) latency: Times,
    /// Why the others failed.
    pub(super) faults: Faults,
    /// Calls that were due by the rate, and were not made.
    pub(super) behind: u64,
    /// From the first call to the last answer.
    pub(super) took: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Times::exact_to(DIGITS);
        Self { latency, faults: Faults::default(), behind: 0, took: Duration::ZERO }
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latency.add(&other.latency);
        self.faults.add(other.faults);
        self.behind += other.behind;
        self.took = self.took.max(other.took);
    }
}

/// What all connections share.
struct Run {
    args: Args,
    message: Bytes,
    /// The first signal, or the end.
    stop: CancellationToken,
    /// The second signal, or a connection that could not be made.
    abort: CancellationToken,
    /// Where each thread waits for the connections of the others.
    gate: Barrier,
    /// When all were made.
    begin: OnceLock<Instant>,
    /// One for each connection, in an open loop.
    bells: Bells,
    /// Calls that went well, for whoever looks on.
    done: AtomicU64,
}

/// Measures.
pub(super) fn run(args: &Args) -> Result<Tally, RpcError> {
    raise_descriptor_limit();
    let connections = usize::try_from(args.connections).unwrap_or(usize::MAX);
    let threads = args.threads.map_or_else(cores, usize::from).min(connections);
    let size = usize::try_from(args.size.0).unwrap_or(usize::MAX);
    let run = Arc::new(Run {
        args: args.clone(),
        message: Bytes::from(vec![b'w'; size]),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
        gate: Barrier::new(threads),
        begin: OnceLock::new(),
        bells: Bells::new(if args.rate.is_some() { connections } else { 0 }),
        done: AtomicU64::new(0),
    });
    let shared = Arc::clone(&run);
    let outcomes = shards::run(Threading::PerCore, threads, move |shard| {
        let run = Arc::clone(&shared);
        async move {
            let outcome = run.shard(shard, threads).await;
            if outcome.is_err() {
                run.abort.cancel(); // the others would wait for this one's connections
            }
            outcome
        }
    })?;
    run.stop.cancel();
    let mut sum = Tally::default();
    let mut interrupted = false;
    for outcome in outcomes {
        match outcome {
            Ok(tally) => sum.add(tally),
            Err(RpcError::Interrupted) => interrupted = true,
            Err(error) => return Err(error),
        }
    }
    if interrupted { Err(RpcError::Interrupted) } else { Ok(sum) }
}

impl Run {
    /// One thread: its part of the connections. The first one hears the signals.
    async fn shard(self: &Arc<Self>, shard: usize, threads: usize) -> Result<Tally, RpcError> {
        if shard == 0 {
            tokio::spawn(Arc::clone(self).heed(Signals::hear()?));
        }
        tokio::select! {
            outcome = self.measure(shard, threads) => outcome,
            () = self.abort.cancelled() => Err(RpcError::Interrupted),
        }
    }

    /// The first signal ends it in order, the second one at once.
    async fn heed(self: Arc<Self>, mut signals: Signals) {
        signals.next().await;
        self.stop.cancel();
        signals.next().await;
        self.abort.cancel();
    }

    async fn measure(self: &Arc<Self>, shard: usize, threads: usize) -> Result<Tally, RpcError> {
        let mine = |index: &u32| usize::try_from(*index).unwrap_or_default() % threads == shard;
        let indexes: Vec<u32> = (0..self.args.connections).filter(mine).collect();
        let mut clients = Vec::new();
        for some in indexes.chunks(OPENING) {
            clients.extend(try_join_all(some.iter().map(|_| self.connect())).await?);
        }
        let Some(begin) = self.stop.run_until_cancelled(self.all_made()).await else {
            return Ok(Tally::default());
        };
        let progress = (shard == 0).then(|| tokio::spawn(Arc::clone(self).progress()));
        let mut tasks = JoinSet::new();
        for (client, index) in clients.into_iter().zip(indexes) {
            tasks.spawn(Arc::clone(self).drive(client, index, begin));
        }
        let mut tally = Tally::default();
        while let Some(driven) = tasks.join_next().await {
            match driven {
                Ok(driven) => tally.add(driven),
                Err(error) => tally.faults.count(error.to_string(), 1),
            }
        }
        tally.took = begin.elapsed();
        if let Some(progress) = progress {
            progress.abort();
        }
        Ok(tally)
    }

    /// A connection that has answered, from a server that can.
    async fn connect(&self) -> Result<EchoClient, RpcError> {
        let client = EchoClient::new(self.args.remote.channel()?);
        client.bytes(Raw(self.message.clone())).await?;
        Ok(client)
    }

    /// Waits until all connections are made, and gives the moment in which all begin.
    async fn all_made(self: &Arc<Self>) -> Instant {
        self.gate.wait().await;
        *self.begin.get_or_init(|| {
            let begin = Instant::now();
            if let Some(rate) = self.args.rate {
                let ringing = Ringing {
                    begin,
                    rate: rate.per_second(),
                    most: self.args.calls.map_or(u64::MAX, std::num::NonZeroU64::get),
                    end: self.end(begin),
                    stop: self.stop.clone(),
                };
                let run = Arc::clone(self);
                // Without the thread calls are late, which the report shows.
                let _ = thread::Builder::new().name("rate".into()).spawn(move || run.bells.ring(&ringing));
            }
            begin
        })
    }

    /// When the last call begins at the latest.
    fn end(&self, begin: Instant) -> Option<Instant> {
        let duration = match (self.args.duration, self.args.calls) {
            (None, Some(_)) => return None,
            (duration, _) => duration.map_or(DURATION, |span| span.0),
        };
        begin.checked_add(duration)
    }

    /// One connection, from the first call to the last answer.
    async fn drive(self: Arc<Self>, client: EchoClient, index: u32, begin: Instant) -> Tally {
        let Args { connections, depth, rate, calls: most, .. } = self.args;
        let how = match rate {
            Some(rate) => Loop::Open { rate: rate.per_second(), index, connections },
            None => Loop::Closed(usize::try_from(depth).unwrap_or(usize::MAX)),
        };
        let most = most.map_or(u64::MAX, |all| part(all.get(), index, connections));
        let mut schedule = Schedule::new(how, begin, self.end(begin), most);
        let mut tally = Tally::default();
        let mut calls = FuturesUnordered::new();
        let mut stopped = pin!(self.stop.cancelled());
        let mut stopping = false;
        loop {
            let now = Instant::now();
            while let Some(due) = schedule.due(now, calls.len()) {
                schedule.send();
                let call = client.bytes(Raw(self.message.clone()));
                calls.push(async move { (call.await, due.elapsed()) });
            }
            if calls.is_empty() && schedule.is_over(now) {
                tally.behind = schedule.behind(now);
                return tally;
            }
            tokio::select! {
                Some((outcome, took)) = calls.next() => match outcome {
                    Ok(_) => {
                        tally.latency.record(took);
                        self.done.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(failure) => {
                        tally.faults.count(failure.to_string(), 1);
                        tokio::task::yield_now().await; // a server that is not there fails calls at once
                    }
                },
                () = rung(self.bells.of(index)) => {}
                () = until(schedule.end()), if calls.is_empty() => {}
                () = &mut stopped, if !stopping => {
                    stopping = true;
                    schedule.stop(Instant::now());
                }
            }
        }
    }

    /// Says each second how it goes, on stderr if that is a terminal.
    async fn progress(self: Arc<Self>) {
        if self.args.quiet || !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            return;
        }
        let mut before = 0;
        for second in 1.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.done.load(Ordering::Relaxed);
            eprint!("\r{second:>4} s  {:>10} calls/s\x1b[K\r", now - before);
            before = now;
        }
    }
}

/// Waits until then; without a time, for ever.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}

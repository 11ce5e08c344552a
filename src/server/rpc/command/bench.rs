//! `wireworks rpc bench`: how many calls a server answers in a second, and how long they take.
//!
//! Each connection is a channel of its own, and keeps a number of calls under way: a closed loop. With a rate, calls are begun at the times
//! of a schedule, whether the ones before are answered or not, and latency counts from when one was due: an open loop, in which a server that
//! stands still cannot hide it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::remote::Remote;
use super::{RpcError, block_on, print};
use crate::net::times::Times;
use crate::proto::rpc::payload::Raw;
use crate::server::rpc::Failure;
use crate::server::rpc::demo::echo::EchoClient;
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// Digits of the latencies.
const DIGITS: u8 = 3;

/// The shortest time between two calls on a connection.
const SHORTEST: Duration = Duration::from_nanos(100);

/// Kinds of failures that the report has, each with an example; the rest is counted.
const MAX_KINDS: usize = 5;

/// What a user may type after `wireworks rpc bench`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// Connections
    #[arg(long, short = 'c', value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    pub connections: u32,

    /// Calls under way on each connection
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Load")]
    pub depth: u32,

    /// Calls a second, on all connections together, whether they are answered or not; latency counts from when one was due
    #[arg(long, value_name = "RATE", conflicts_with = "depth", help_heading = "Load")]
    pub rate: Option<Frequency>,

    /// Bytes of a message, each way
    #[arg(long, value_name = "SIZE", default_value = "64B", help_heading = "Load")]
    pub size: ByteSize,

    /// How long
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Load")]
    pub duration: TimeSpan,

    /// Show nothing while it runs
    #[arg(long, short = 'q', help_heading = "Report")]
    pub quiet: bool,

    /// Report as JSON
    #[arg(long, help_heading = "Report")]
    pub json: bool,
}

/// What was measured.
struct Tally {
    times: Times,
    failures: Vec<(String, u64)>,
    failed: u64,
}

impl Tally {
    fn new() -> Self {
        Self { times: Times::exact_to(DIGITS), failures: Vec::new(), failed: 0 }
    }

    fn count(&mut self, outcome: Result<Raw, Failure>, took: Duration, done: &AtomicU64) {
        match outcome {
            Ok(_) => {
                self.times.record(took);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) => self.fail(failure.to_string(), 1),
        }
    }

    fn fail(&mut self, text: String, count: u64) {
        self.failed += count;
        if let Some((_, known)) = self.failures.iter_mut().find(|(known, _)| *known == text) {
            *known += count;
        } else if self.failures.len() < MAX_KINDS {
            self.failures.push((text, count));
        }
    }

    fn add(&mut self, other: Self) {
        self.times.add(&other.times);
        let named: u64 = other.failures.iter().map(|(_, count)| count).sum();
        self.failed += other.failed - named;
        other.failures.into_iter().for_each(|(text, count)| self.fail(text, count));
    }
}

/// Measures the method `Echo.bytes` of the demo services, and prints the report.
///
/// # Errors
/// The server cannot be reached, or calls failed.
pub fn run(args: &Args) -> Result<(), RpcError> {
    let args = args.clone();
    block_on(async move {
        let size = usize::try_from(args.size.0).unwrap_or(usize::MAX);
        let message = Bytes::from(vec![b'w'; size]);
        let mut clients = Vec::new();
        for _ in 0..args.connections {
            let client = EchoClient::new(args.remote.channel()?);
            client.bytes(Raw(message.clone())).await?; // connected, and a server that can
            clients.push(client);
        }
        let done = Arc::new(AtomicU64::new(0));
        let progress = tokio::spawn(progress(args.clone(), Arc::clone(&done)));
        let begun = Instant::now();
        let end = begun + args.duration.0;
        let count = f64::from(args.connections);
        let every = args.rate.map(|rate| Duration::from_secs_f64(count / rate.per_second()).max(SHORTEST));
        let loops: FuturesUnordered<_> = clients
            .into_iter()
            .map(|client| {
                let (message, done) = (message.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    match every {
                        Some(every) => open_loop(client, message, every, end, &done).await,
                        None => closed_loop(client, message, args.depth, end, &done).await,
                    }
                })
            })
            .collect();
        let tallies: Vec<_> = loops.collect().await;
        let took = begun.elapsed();
        progress.abort();
        let mut tally = Tally::new();
        for other in tallies {
            tally.add(other.map_err(|error| RpcError::Unknown(error.to_string()))?);
        }
        print(&if args.json { json(&tally, took) } else { report(&args, &tally, took) })?;
        if tally.failed > 0 { Err(RpcError::Failed(tally.failed)) } else { Ok(()) }
    })
}

/// A number of calls under way, the next one begun when one is answered.
async fn closed_loop(
    client: EchoClient,
    message: Bytes,
    depth: u32,
    end: Instant,
    done: &AtomicU64,
) -> Tally {
    let mut tally = Tally::new();
    let call = || {
        let (client, message) = (&client, message.clone());
        async move {
            let begun = Instant::now();
            (client.bytes(Raw(message)).await, begun.elapsed())
        }
    };
    let mut calls: FuturesUnordered<_> = (0..depth).map(|_| call()).collect();
    while let Some((outcome, took)) = calls.next().await {
        let failed = outcome.is_err();
        tally.count(outcome, took, done);
        if Instant::now() < end {
            if failed {
                tokio::task::yield_now().await;
            }
            calls.push(call());
        }
    }
    tally
}

/// Calls at the times of a schedule.
async fn open_loop(
    client: EchoClient,
    message: Bytes,
    every: Duration,
    end: Instant,
    done: &AtomicU64,
) -> Tally {
    let mut tally = Tally::new();
    let mut calls = FuturesUnordered::new();
    let mut due = Instant::now();
    while due < end || !calls.is_empty() {
        let now = Instant::now();
        while due <= now && due < end {
            let (client, message, since) = (&client, message.clone(), due);
            calls.push(async move { (client.bytes(Raw(message)).await, since.elapsed()) });
            due += every;
        }
        tokio::select! {
            Some((outcome, took)) = calls.next() => tally.count(outcome, took, done),
            () = tokio::time::sleep_until(due.into()), if due < end => {}
        }
    }
    tally
}

/// Says each second how it goes, on stderr if that is a terminal.
async fn progress(args: Args, done: Arc<AtomicU64>) {
    if args.quiet || !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        return;
    }
    let mut before = 0;
    for second in 1.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = done.load(Ordering::Relaxed);
        eprint!("\r{second:>4} s  {:>10} calls/s", now - before);
        before = now;
    }
}

fn report(args: &Args, tally: &Tally, took: Duration) -> String {
    let calls = tally.times.count();
    let load = match &args.rate {
        Some(rate) => format!("{rate} in all"),
        None => format!("{} under way on each", args.depth),
    };
    let mut text = format!(
        "{}: Echo.bytes of {}, {} connections, {load}, {:.1} s\n\n{calls} calls, {:.0} a second\n\n",
        args.remote.addresses,
        args.size,
        args.connections,
        took.as_secs_f64(),
        calls as f64 / took.as_secs_f64(),
    );
    for (name, part) in [("50%", 0.5), ("90%", 0.9), ("99%", 0.99), ("99.9%", 0.999), ("max", 1.0)] {
        let time = tally.times.quantile(part).unwrap_or_default();
        let _ = writeln!(text, "latency {name:>6}  {:>10.3} ms", time.as_secs_f64() * 1e3);
    }
    let _ = if tally.failed == 0 {
        writeln!(text, "\nerrors: none")
    } else {
        writeln!(text, "\nerrors: {}", tally.failed)
    };
    for (error, count) in &tally.failures {
        let _ = writeln!(text, "{count:>10}  {error}");
    }
    text
}

fn json(tally: &Tally, took: Duration) -> String {
    let micros = |part| tally.times.quantile(part).unwrap_or_default().as_secs_f64() * 1e6;
    let calls = tally.times.count();
    let failures: Vec<_> = tally
        .failures
        .iter()
        .map(|(error, count)| serde_json::json!({ "error": error, "count": count }))
        .collect();
    let value = serde_json::json!({
        "calls": calls,
        "seconds": took.as_secs_f64(),
        "calls_per_second": calls as f64 / took.as_secs_f64(),
        "latency_us": { "p50": micros(0.5), "p90": micros(0.9), "p99": micros(0.99), "p99.9": micros(0.999), "max": micros(1.0) },
        "failed": tally.failed,
        "failures": failures,
    });
    format!("{value}\n")
}

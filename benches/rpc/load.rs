//! The client whose calls are counted: loops that each make a call, wait for its answer, and make the next.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::support::Result;

/// Before calls are counted, the same load for so long.
const WARM_UP: Duration = Duration::from_secs(1);

/// The size of a large message.
const LARGE: usize = 1 << 20;

/// Loops with large messages beside those that are counted, in the mixed load.
const BESIDE: usize = 4;

/// A server's method that gives back the bytes that it was given.
pub(crate) trait Echo: Clone + Send + Sync + 'static {
    /// Calls it.
    fn echo(&self, bytes: Bytes) -> impl Future<Output = Result<Bytes>> + Send;
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Loops of one size on one connection.
    Loops,
    /// Loops of small messages, beside some with large ones on the same connection.
    Mixed,
    /// Connections that make one call each, and are silent.
    Idle,
}

/// The load.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Load {
    #[arg(long, default_value = "loops")]
    pub(crate) what: What,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Loops; or connections that are silent.
    #[arg(long, default_value_t = 64)]
    pub(crate) depth: usize,
    #[arg(long, default_value_t = 4)]
    pub(crate) seconds: u64,
}

/// How long calls took, in nanoseconds.
type Times = Arc<Mutex<Histogram<u64>>>;

fn new_times() -> Result<Times> {
    Ok(Arc::new(Mutex::new(Histogram::new(3)?)))
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    pub(crate) errors: u64,
}

impl Load {
    /// Makes the load on what `connect` gives. Prints `ready` once it is under way, and then what was counted; both lines are followed by a wait for one
    /// byte of the harness.
    pub(crate) fn run<E, C, Fut>(
        &self,
        connect: C,
    ) -> impl Future<Output = Result<()>> + Send + use<E, C, Fut>
    where
        E: Echo,
        C: Fn() -> Fut + Send,
        Fut: Future<Output = Result<E>> + Send,
    {
        let load = self.clone();
        async move {
            if load.what == What::Idle {
                return load.idle(connect).await;
            }
            let client = connect().await?;
            let end = Instant::now() + WARM_UP;
            load.loops(&client, end).await?;
            say("ready")?;
            let (begun, end) = (Instant::now(), Instant::now() + Duration::from_secs(load.seconds));
            let (times, errors) = load.loops(&client, end).await?;
            let times = times.lock().expect("no panic");
            let micros = |part| times.value_at_quantile(part) as f64 / 1e3;
            let counted = Counted {
                calls: times.len(),
                seconds: begun.elapsed().as_secs_f64(),
                p50: micros(0.5),
                p99: micros(0.99),
                errors,
            };
            drop(times);
            say(&serde_json::to_string(&counted)?)
        }
    }

    async fn loops<E: Echo>(&self, client: &E, end: Instant) -> Result<(Times, u64)> {
        // One for all, as they share a thread: the caches should have room for the calls.
        let (times, others): (Times, Times) = (new_times()?, new_times()?);
        let beside = if self.what == What::Mixed { BESIDE } else { 0 };
        let loops = std::iter::repeat_n((self.size, &times), self.depth);
        let loops = loops.chain(std::iter::repeat_n((LARGE, &others), beside));
        let tasks: Vec<_> = loops
            .map(|(size, times)| {
                tokio::spawn(one_after_the_other(client.clone(), size, end, Arc::clone(times)))
            })
            .collect();
        let mut errors = 0;
        for task in tasks {
            errors += task.await?;
        }
        Ok((times, errors))
    }

    async fn idle<E, C, Fut>(&self, connect: C) -> Result<()>
    where
        E: Echo,
        C: Fn() -> Fut,
        Fut: Future<Output = Result<E>>,
    {
        let call = async |client: &E| client.echo(Bytes::from(vec![b'w'; self.size])).await.is_ok();
        call(&connect().await?).await; // what the first connection costs is none of theirs
        say("ready")?;
        let mut clients = Vec::new();
        let mut errors = 0;
        for _ in 0..self.depth {
            let client = connect().await?;
            errors += u64::from(!call(&client).await);
            clients.push(client);
        }
        say(&serde_json::to_string(&Counted { calls: self.depth as u64, errors, ..Counted::default() })?)
    }
}

/// Calls until `end`; says how many failed.
async fn one_after_the_other<E: Echo>(client: E, size: usize, end: Instant, times: Times) -> u64 {
    let message = Bytes::from(vec![b'w'; size]);
    let mut errors = 0;
    let mut begun = Instant::now();
    while begun < end {
        let answer = client.echo(message.clone()).await;
        let now = Instant::now();
        match answer {
            Ok(answer) if answer.len() == size => {
                let took = u64::try_from((now - begun).as_nanos()).unwrap_or(u64::MAX);
                let _ = times.lock().expect("no panic").record(took); // it grows by itself
            }
            Ok(_) => errors += 1,
            Err(error) => {
                errors += 1;
                eprintln!("{error}");
                tokio::task::yield_now().await;
            }
        }
        begun = now;
    }
    errors
}

/// Prints a line, and waits until the harness has seen it.
fn say(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    // The harness sends a byte, or has gone.
    let _ = std::io::stdin().read(&mut [0])?;
    Ok(())
}

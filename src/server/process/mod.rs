//! What stands around the servers of one process: threads, signals, and the way down.
//!
//! A server is a [`Part`]: it serves on each shard, and is told when files have to be read again. A [`Process`] runs any
//! number of parts on the same shards. SIGTERM and SIGINT begin the drain, a second one ends it at once; SIGHUP reloads,
//! SIGUSR2 [upgrades](upgrade). A [`Handle`] does the same from the program itself. Parts that report on the others are the last to go: they serve
//! until the drain is over.

mod background;
mod leaving;
mod notify;
mod running;
pub mod upgrade;

use std::future::{Future, pending, poll_fn};
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(in crate::server) use self::background::{Background, Task};
use self::leaving::Leaving;
use self::notify::Manager;
pub use self::running::{Handle, Running};
use self::upgrade::{PATIENCE, PidFile, Upgrade};
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::{Accepting, Drain};
use crate::net::listen::succession::Predecessor;
use crate::net::shards::{self, Threading};
use crate::net::workers::Blocking;

/// The future of a part on one shard.
pub type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Something that serves on every shard until its drain begins.
pub trait Part: Send + Sync + 'static {
    /// Serves on one shard, whose clock this is. Ends when it accepts no more; its connections may live on. Whatever
    /// accepts has a [guard](Drain::accepting) of the drain from the first poll on, so that a shutdown that comes early
    /// waits for it.
    ///
    /// # Errors
    /// It cannot begin. The process ends then, as it does when a part panics.
    fn serve(self: Arc<Self>, shard: usize, clock: Clock) -> Serving;

    /// Reads files again. May block. What fails is logged, and what was there before stays in use.
    fn reload(&self) {}
}

/// Parts that share threads and signals. Servers put their parts and addresses in; then it runs.
pub struct Process {
    /// How the work is spread over threads.
    pub threading: Threading,
    /// How many threads: the number of shards.
    pub threads: usize,
    /// How long the drain may take.
    pub drain_timeout: Duration,
    /// How long it serves on after the signal to stop, while its health check fails.
    pub stop_delay: Duration,
    /// The servers.
    pub parts: Vec<Arc<dyn Part>>,
    /// Their drain.
    pub drain: Drain,
    /// Workers that are drained when the connections of the servers have ended.
    pub workers: Vec<Blocking>,
    /// Parts that serve until that drain is over.
    pub last: Vec<Arc<dyn Part>>,
    /// The drain of those.
    pub last_drain: Drain,
    /// Where the parts listen.
    pub addresses: Vec<Address>,
    /// Whether SIGTERM, SIGINT, SIGHUP and SIGUSR2 are heard. Without, only a [`Handle`] ends it.
    pub signals: bool,
    /// How it is upgraded at SIGUSR2, if it can be.
    pub upgrade: Option<Upgrade>,
    /// The process whose place it takes, which stops when it is told that this one accepts.
    pub predecessor: Mutex<Option<Predecessor>>,
    /// A file for the number of the process.
    pub pid_file: Option<PathBuf>,
    /// The drain is to end at once.
    abort: CancellationToken,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name of the server.
    pub server: &'static str,
    /// The address, with the real port.
    pub address: ListenAddr,
}

/// Prints a line `listening NAME ADDR` for each address on stdout, for whoever started the process and waits for it.
pub fn announce(addresses: &[Address]) {
    let mut stdout = io::stdout().lock();
    for Address { server, address } in addresses {
        // Who closed our stdout does not want to know.
        let _ = writeln!(stdout, "listening {server} {address}");
    }
    let _ = stdout.flush();
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Connections that were cut, since they did not end in time.
    pub aborted: usize,
}

/// What workers, and the connections of the last parts, get to end.
const LAST_DEADLINE: Duration = Duration::from_millis(500);

impl Process {
    /// A process without parts.
    #[must_use]
    pub fn new(threading: Threading, threads: usize, drain_timeout: Duration) -> Self {
        Self {
            threading,
            threads: threads.max(1),
            drain_timeout,
            stop_delay: Duration::ZERO,
            parts: Vec::new(),
            drain: Drain::new(),
            workers: Vec::new(),
            last: Vec::new(),
            last_drain: Drain::new(),
            addresses: Vec::new(),
            signals: true,
            upgrade: None,
            predecessor: Mutex::new(None),
            pid_file: None,
            abort: CancellationToken::new(),
        }
    }

    /// Runs until a signal, or until somebody begins the drain. `ready` is called once with all addresses, when every
    /// shard has its thread and signals are heard. Shards may not accept yet, but who connects from then on is served,
    /// even if the drain begins at once. It blocks, and makes runtimes of its own: asynchronous code calls
    /// [`start`](Self::start).
    ///
    /// # Errors
    /// A thread or a runtime cannot be made, signals cannot be heard, or a part cannot begin.
    pub fn run(self, ready: impl FnOnce(&[Address]) + Send + 'static) -> io::Result<Outcome> {
        raise_descriptor_limit();
        let (threading, threads) = (self.threading, self.threads);
        let unserved = (0..threads).map(|_| Unserved::new(&self)).collect();
        let running = Arc::new(Run {
            process: self,
            ready: Mutex::new(Some(Box::new(ready))),
            done: CancellationToken::new(),
            failed: Mutex::new(None),
            unserved: Mutex::new(unserved),
        });
        let shared = Arc::clone(&running);
        let outcomes = shards::run(threading, threads, move |shard| {
            let running = Arc::clone(&shared);
            async move { running.shard(shard).await }
        })?;
        if let Some(error) = lock(&running.failed).take() {
            return Err(error);
        }
        for outcome in outcomes {
            if let Some(outcome) = outcome? {
                return Ok(outcome);
            }
        }
        Err(io::Error::other("the first shard has no outcome"))
    }
}

/// Asks for as many descriptors as the system allows, as Go's runtime does. The usual 1024 would be the limit of connections.
pub(in crate::server) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of descriptors");
    }
}

/// Called when all is ready.
type Ready = Box<dyn FnOnce(&[Address]) + Send>;

/// A process under way.
struct Run {
    process: Process,
    ready: Mutex<Option<Ready>>,
    /// The drain is over: every shard ends, and its tasks with it.
    done: CancellationToken,
    /// Why a part could not begin.
    failed: Mutex<Option<io::Error>>,
    /// One for each shard, until it serves.
    unserved: Mutex<Vec<Unserved>>,
}

/// Lets the drains wait for a shard that does not accept yet: clients may be in the queues of its sockets.
struct Unserved {
    _parts: Accepting,
    _last: Accepting,
}

impl Unserved {
    fn new(process: &Process) -> Self {
        Self { _parts: process.drain.accepting(), _last: process.last_drain.accepting() }
    }
}

impl Run {
    /// One shard. The first one hears the signals, and gives the outcome.
    async fn shard(self: Arc<Self>, shard: usize) -> io::Result<Option<Outcome>> {
        // Whatever happens to the first shard, the others do not wait for ever.
        let _done = (shard == 0).then(|| self.done.clone().drop_guard());
        let signals = (shard == 0).then(|| Hearing::new(self.process.signals)).transpose()?;
        let clock = Clock::new();
        let parts = tokio::spawn(Arc::clone(&self).serve(shard, clock));
        let Some(signals) = signals else {
            self.done.cancelled().await;
            return Ok(None);
        };
        if let Some(ready) = lock(&self.ready).take() {
            ready(&self.process.addresses);
        }
        // What can fail comes first: once it was told, the old process does not go on.
        let pid_file = self.process.pid_file.as_deref().map(PidFile::write).transpose()?;
        if let Some(predecessor) = lock(&self.process.predecessor).take()
            && let Err(error) = predecessor.ready()
        {
            tracing::warn!(%error, "the old process does not listen");
        }
        let manager = if self.process.signals { Manager::of_environment() } else { Manager::nobody() };
        manager.ready();
        let outcome = self.control(signals, &manager).await;
        drop(pid_file);
        self.process.last_drain.finish(LAST_DEADLINE).await;
        parts.abort();
        Ok(Some(outcome))
    }

    async fn serve(self: Arc<Self>, shard: usize, clock: Clock) {
        self.process.drain.attach(&clock);
        self.process.last_drain.attach(&clock);
        let mut unserved = lock(&self.unserved).pop();
        let mut serving = pin!(AssertUnwindSafe(self.serve_all(shard, &clock)).catch_unwind());
        let served = poll_fn(|cx| {
            let polled = serving.as_mut().poll(cx);
            // What accepts has guards of its own now.
            drop(unserved.take());
            polled
        });
        let error = match served.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => io::Error::other("a part of the server panicked"),
        };
        lock(&self.failed).get_or_insert(error);
        self.process.drain.stop();
    }

    async fn serve_all(&self, shard: usize, clock: &Clock) -> io::Result<()> {
        let all = self.process.parts.iter().chain(&self.process.last);
        let serving = all.map(|part| Arc::clone(part).serve(shard, clock.clone()));
        try_join_all(serving).await.map(drop)
    }

    /// Waits for the end, reloading on the way there, and goes down.
    async fn control(&self, mut signals: Hearing, manager: &Manager) -> Outcome {
        let drain = &self.process.drain;
        let (mut upgrading, mut leaving) = (None, Leaving::default());
        let succeeded = loop {
            let heard = tokio::select! {
                heard = signals.next() => heard,
                () = drain.stopping() => Heard::Stop,
                () = leaving.over() => Heard::Stop,
                outcome = upgraded(&mut upgrading) => match outcome {
                    Ok(upgrade) => break Some(upgrade),
                    Err(error) => {
                        tracing::error!(%error, "not upgraded; this process goes on");
                        upgrading = None;
                        continue;
                    }
                },
            };
            match (heard, &self.process.upgrade) {
                (Heard::Stop, _) if leaving.begins(&self.process) => {}
                (Heard::Stop, _) => break None,
                (Heard::Reload, _) => self.reload().await,
                (Heard::Upgrade, None) => tracing::warn!("this server cannot be upgraded while it runs"),
                (Heard::Upgrade, Some(_)) if upgrading.is_some() => tracing::warn!("an upgrade is under way"),
                (Heard::Upgrade, Some(upgrade)) => {
                    upgrading = Some(Box::pin(async move { upgrade.run().await.map(|()| upgrade) }));
                }
            }
        };
        // A new process that is not ready yet has no place to take.
        drop(upgrading);
        let mut timeout = self.process.drain_timeout;
        if let Some(upgrade) = succeeded {
            tracing::info!("the new process has taken over");
            timeout = upgrade.drain_timeout;
            drain.stop_patiently();
            let drain = drain.clone();
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                drain.hurry();
            });
        } else {
            manager.stopping();
            drain.stop();
        }
        tracing::info!(waiting_for = drain.live(), timeout_s = timeout.as_secs_f64(), "stopping");
        let aborted = tokio::select! {
            aborted = drain.finish(timeout) => aborted,
            () = signals.stop() => drain.abort().await,
            () = self.process.abort.cancelled() => drain.abort().await,
        };
        let deadline = Instant::now() + LAST_DEADLINE;
        for workers in &self.process.workers {
            let jobs = workers.drain(deadline).await;
            if jobs > 0 {
                tracing::warn!(jobs, "jobs of workers were given up");
            }
        }
        if aborted > 0 {
            tracing::warn!(aborted, "stopped; connections were aborted");
        } else {
            tracing::info!("stopped");
        }
        Outcome { aborted }
    }

    async fn reload(&self) {
        tracing::info!("reloading");
        for part in self.process.parts.iter().chain(&self.process.last) {
            let part = Arc::clone(part);
            if tokio::task::spawn_blocking(move || part.reload()).await.is_err() {
                tracing::error!("a reload panicked");
            }
        }
        tracing::info!("reloaded");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of an upgrade that is under way, if one is.
async fn upgraded<'a, F>(upgrading: &mut Option<Pin<Box<F>>>) -> io::Result<&'a Upgrade>
where
    F: Future<Output = io::Result<&'a Upgrade>>,
{
    match upgrading {
        Some(upgrading) => upgrading.await,
        None => pending().await,
    }
}

/// What a signal asks for.
enum Heard {
    Stop,
    Reload,
    Upgrade,
}

/// The signals that a server hears.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user2: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.hangup.recv() => Heard::Reload,
            _ = self.user2.recv() => Heard::Upgrade,
        }
    }
}

/// Signals, for those who want any.
struct Hearing(Option<Signals>);

impl Hearing {
    fn new(wanted: bool) -> io::Result<Self> {
        wanted.then(Signals::new).transpose().map(Self)
    }

    async fn next(&mut self) -> Heard {
        match &mut self.0 {
            Some(signals) => signals.next().await,
            None => pending().await,
        }
    }

    /// The next signal to stop.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Heard::Stop) {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    /// Serves until its drain begins; holds one connection for as long as `hold` says.
    struct Stub {
        drain: Drain,
        hold: Option<Duration>,
        served: AtomicUsize,
    }

    impl Part for Stub {
        fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
            Box::pin(async move {
                if let Some(hold) = self.hold {
                    let guard = self.drain.guard();
                    tokio::spawn(async move {
                        tokio::time::sleep(hold).await;
                        drop(guard);
                    });
                }
                // Behind the connection, so that whoever sees the one finds the other.
                self.served.fetch_add(1, Ordering::SeqCst);
                self.drain.stopping().await;
                Ok(())
            })
        }
    }

    /// A part that cannot begin.
    struct Broken;

    impl Part for Broken {
        fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
            Box::pin(async { Err(io::Error::other("no luck")) })
        }
    }

    /// A part that panics on the second shard.
    struct Panicking(Drain);

    impl Part for Panicking {
        fn serve(self: Arc<Self>, shard: usize, _: Clock) -> Serving {
            Box::pin(async move {
                assert_eq!(shard, 0, "on purpose");
                self.0.stopping().await;
                Ok(())
            })
        }
    }

    /// A part that is through when it has accepted what had come before the drain began.
    struct Late {
        drain: Drain,
        accepted: AtomicUsize,
    }

    impl Part for Late {
        fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
            Box::pin(async move {
                let _guard = self.drain.accepting();
                self.drain.stopping().await;
                tokio::task::yield_now().await;
                self.accepted.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
        }
    }

    fn process(threading: Threading, part: Arc<dyn Part>, drain: Drain, deadline: Duration) -> Process {
        Process { parts: vec![part], drain, ..Process::new(threading, 2, deadline) }
    }

    fn stub(hold: Option<Duration>) -> (Drain, Arc<Stub>) {
        let drain = Drain::new();
        let part = Stub { drain: drain.clone(), hold, served: AtomicUsize::new(0) };
        (drain, Arc::new(part))
    }

    #[test]
    fn no_descriptor_is_left_unused() {
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn every_shard_serves_until_the_drain() {
        for threading in [Threading::PerCore, Threading::Shared] {
            let (drain, part) = stub(Some(Duration::ZERO));
            let process = process(threading, part.clone(), drain.clone(), Duration::from_secs(60));
            let both_serve = {
                let part = Arc::clone(&part);
                move |_: &[Address]| {
                    std::thread::spawn(move || {
                        while part.served.load(Ordering::SeqCst) < 2 {
                            std::thread::yield_now();
                        }
                        drain.stop();
                    });
                }
            };
            assert_eq!(process.run(both_serve).unwrap(), Outcome { aborted: 0 });
            assert_eq!(part.served.load(Ordering::SeqCst), 2);
        }
    }

    #[test]
    fn what_does_not_end_in_time_is_counted() {
        let (drain, part) = stub(Some(Duration::from_secs(3600)));
        let process = process(Threading::PerCore, part.clone(), drain.clone(), Duration::from_millis(1));
        let stop = move |_: &[Address]| {
            std::thread::spawn(move || {
                // Shards that do not serve yet are alive for the drain too.
                while part.served.load(Ordering::SeqCst) < 2 {
                    std::thread::yield_now();
                }
                drain.stop();
            });
        };
        assert_eq!(process.run(stop).unwrap(), Outcome { aborted: 2 });
    }

    #[test]
    fn a_part_that_cannot_begin_ends_the_process() {
        let process = process(Threading::PerCore, Arc::new(Broken), Drain::new(), Duration::ZERO);
        assert_eq!(process.run(|_| {}).unwrap_err().to_string(), "no luck");
    }

    #[test]
    fn a_part_that_panics_ends_the_process() {
        for threading in [Threading::PerCore, Threading::Shared] {
            let drain = Drain::new();
            let part = Arc::new(Panicking(drain.clone()));
            let process = process(threading, part, drain, Duration::from_secs(60));
            let running = process.start(|_| {}).unwrap();
            let (tell, told) = channel();
            std::thread::spawn(move || tell.send(running.wait()));
            let ended = told.recv_timeout(Duration::from_secs(30)).expect("it ends by itself");
            assert_eq!(ended.unwrap_err().to_string(), "a part of the server panicked");
        }
    }

    #[test]
    fn a_stop_right_after_ready_waits_for_every_shard() {
        for threading in [Threading::PerCore, Threading::Shared] {
            let drain = Drain::new();
            let part = Arc::new(Late { drain: drain.clone(), accepted: AtomicUsize::new(0) });
            let process = process(threading, part.clone(), drain.clone(), Duration::from_secs(60));
            let outcome = process.run(move |_| drain.stop()).unwrap();
            assert_eq!(outcome, Outcome { aborted: 0 });
            assert_eq!(part.accepted.load(Ordering::SeqCst), 2, "{threading:?}");
        }
    }

    #[test]
    fn the_last_parts_serve_during_the_drain() {
        let (drain, part) = stub(None);
        let (last_drain, last) = stub(None);
        let process = Process {
            last: vec![last.clone()],
            last_drain: last_drain.clone(),
            ..process(Threading::PerCore, part, drain.clone(), Duration::from_secs(60))
        };
        let guard = drain.guard();
        let ready = move |_: &[Address]| {
            std::thread::spawn(move || {
                while last.served.load(Ordering::SeqCst) < 2 {
                    std::thread::yield_now();
                }
                drain.stop();
                assert!(!last_drain.is_stopping());
                drop(guard);
            });
        };
        process.run(ready).unwrap();
    }
}

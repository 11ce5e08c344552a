//! A process seen from the program that it is in: where it listens, how it is stopped, and how it ended.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use tokio_util::sync::CancellationToken;

use super::{Address, Outcome, Part, Process};
use crate::net::addr::ListenAddr;
use crate::net::drain::Drain;

/// Stops a process from anywhere in its program: another thread, a task, a handler. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    drain: Drain,
    abort: CancellationToken,
}

impl Handle {
    /// A handle for a process that is not there yet: see [`Process::stopped_by`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the shutdown, as SIGTERM does: nothing is accepted any more, idle connections are closed, requests under
    /// way are finished within the time that they have for it.
    pub fn stop(&self) {
        self.drain.stop();
    }

    /// Ends at once, as a second signal does: what is under way is cut, and counted.
    pub fn stop_now(&self) {
        self.abort.cancel();
        self.drain.stop();
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.drain.is_stopping()
    }

    /// Resolves when the shutdown begins: for handlers that stream for as long as the server is there.
    pub async fn stopping(&self) {
        self.drain.stopping().await;
    }
}

/// A process that serves on threads of its own. Dropping it begins the shutdown, and waits for nothing.
#[must_use = "it stops when it is dropped"]
pub struct Running {
    handle: Handle,
    addresses: Vec<Address>,
    /// Weak, so that what a part does when it is dropped is done when the process ends.
    parts: Vec<Weak<dyn Part>>,
    /// `None` when somebody waits for it.
    thread: Option<JoinHandle<io::Result<Outcome>>>,
    /// Cancelled when the thread is through.
    ended: CancellationToken,
}

impl Process {
    /// What stops it from elsewhere in the program.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { drain: self.drain.clone(), abort: self.abort.clone() }
    }

    /// The same, stopped by `handle`. To be called before parts are put in, which keep the drain.
    #[must_use]
    pub fn stopped_by(mut self, handle: Handle) -> Self {
        self.drain = handle.drain;
        self.abort = handle.abort;
        self
    }

    /// Runs on threads of its own, without hearing signals, and returns when `ready` has: who connects from then on is
    /// served. For programs that have something else to do, asynchronous ones among them.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn start(mut self, ready: impl FnOnce(&[Address]) + Send + 'static) -> io::Result<Running> {
        self.signals = false;
        let handle = self.handle();
        let addresses = self.addresses.clone();
        let parts = self.parts.iter().chain(&self.last).map(Arc::downgrade).collect();
        let (tell, told) = sync_channel(1);
        let ended = CancellationToken::new();
        let ends = ended.clone().drop_guard();
        let thread = thread::Builder::new().name("wireworks-0".into()).spawn(move || {
            let _ends = ends;
            self.run(move |addresses| {
                ready(addresses);
                // Whoever waits for it is there.
                let _ = tell.send(());
            })
        })?;
        let running = Running { handle, addresses, parts, thread: Some(thread), ended };
        match told.recv() {
            Ok(()) => Ok(running),
            Err(_) => Err(running
                .wait()
                .err()
                .unwrap_or_else(|| io::Error::other("the server ended before it was ready"))),
        }
    }
}

impl Running {
    /// What stops it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it listens, with real ports, in the order in which the addresses were given.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The first of its addresses that has a port; this machine's own where it listens at all of them.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.addresses.iter().find_map(|address| match address.address {
            ListenAddr::Tcp(address) => Some(address),
            ListenAddr::Any(port) => Some((Ipv4Addr::LOCALHOST, port).into()),
            _ => None,
        })
    }

    /// Reads certificates again and opens the access log anew, as SIGHUP does. It blocks while it reads; what fails is
    /// logged, and what was there before stays in use.
    pub fn reload(&self) {
        self.parts.iter().filter_map(Weak::upgrade).for_each(|part| part.reload());
    }

    /// Resolves when it has ended, for asynchronous code: then [`wait`](Self::wait) does not block, and says how it was.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Waits, blocking, until somebody has stopped it and its connections have ended.
    ///
    /// # Errors
    /// A part could not begin, or a thread of it panicked.
    pub fn wait(mut self) -> io::Result<Outcome> {
        let thread = self.thread.take().map(JoinHandle::join);
        thread
            .unwrap_or_else(|| Ok(Ok(Outcome { aborted: 0 })))
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the server panicked")))
    }

    /// Begins the shutdown and [waits](Self::wait) for its end.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn stop(self) -> io::Result<Outcome> {
        self.handle.stop();
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.handle.stop();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addresses", &self.addresses)
            .field("stopping", &self.handle.is_stopping())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::super::Serving;
    use super::*;
    use crate::net::clock::Clock;
    use crate::net::shards::Threading;

    /// Serves until its drain begins, and then holds a guard for ever.
    struct Stub {
        drain: Drain,
        stubborn: bool,
        served: AtomicUsize,
        reloads: AtomicUsize,
    }

    impl Part for Stub {
        fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
            Box::pin(async move {
                let guard = self.stubborn.then(|| self.drain.guard());
                self.served.fetch_add(1, Ordering::SeqCst);
                self.drain.stopping().await;
                if guard.is_some() {
                    tokio::spawn(async move {
                        let _guard = guard;
                        std::future::pending::<()>().await;
                    });
                }
                Ok(())
            })
        }

        fn reload(&self) {
            self.reloads.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn process(stubborn: bool) -> (Process, Arc<Stub>) {
        let mut process = Process::new(Threading::PerCore, 1, Duration::from_secs(3600));
        let part = Arc::new(Stub {
            drain: process.drain.clone(),
            stubborn,
            served: AtomicUsize::new(0),
            reloads: AtomicUsize::new(0),
        });
        process.parts.push(part.clone());
        (process, part)
    }

    #[test]
    fn it_serves_beside_the_program_until_it_is_stopped() {
        let (process, part) = process(false);
        let ready = Arc::new(Mutex::new(None));
        let told = Arc::clone(&ready);
        let running = process.start(move |addresses| *told.lock().unwrap() = Some(addresses.len())).unwrap();
        assert_eq!(*ready.lock().unwrap(), Some(0), "before the program goes on");
        running.reload();
        assert_eq!(part.reloads.load(Ordering::SeqCst), 1);
        assert!(!running.handle().is_stopping());
        assert_eq!(running.stop().unwrap(), Outcome { aborted: 0 });
    }

    #[test]
    fn a_handle_stops_it_at_once_or_when_it_is_dropped() {
        let (stubborn, part) = process(true);
        let handle = stubborn.handle();
        let running = stubborn.start(|_| {}).unwrap();
        while part.served.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        handle.stop_now();
        assert_eq!(running.wait().unwrap(), Outcome { aborted: 1 });

        let running = process(false).0.start(|_| {}).unwrap();
        let handle = running.handle();
        drop(running);
        assert!(handle.is_stopping());
    }

    /// The test runs itself again in a process of its own, which is the one that lacks descriptors.
    #[test]
    fn without_descriptors_for_every_shard_it_does_not_start() {
        const WITHIN: &str = "WIREWORKS_TEST_WITHIN";
        if env::var_os(WITHIN).is_none() {
            let name =
                "server::process::running::tests::without_descriptors_for_every_shard_it_does_not_start";
            let mut command = Command::new(env::current_exe().unwrap());
            let output = command.args(["--exact", name]).env(WITHIN, "1").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("1 passed"),
                "{text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            return;
        }
        let limit = Rlimit { current: Some(40), maximum: Some(40) };
        setrlimit(Resource::Nofile, limit).unwrap();
        let (mut process, _) = process(false);
        process.threads = 64;
        let (tell, told) = channel();
        thread::spawn(move || tell.send(process.start(|_| {}).map(drop)));
        let started =
            told.recv_timeout(Duration::from_secs(30)).expect("it does not wait for what cannot come");
        let error = started.unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::MFILE), "{error}");
    }

    #[tokio::test]
    async fn its_end_can_be_awaited() {
        let running = process(false).0.start(|_| {}).unwrap();
        let handle = running.handle();
        let ((), ()) = tokio::join!(running.ended(), async { handle.stop() });
        assert_eq!(running.wait().unwrap(), Outcome { aborted: 0 });
    }
}

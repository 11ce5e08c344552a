//! The lines of an access log: the buffer that takes them, which nobody waits for, and the thread that writes them.
//!
//! The thread wakes up at the first line and lets others gather for [`LINGER`], so that a busy server pays for a copy into memory, and neither for
//! a system call nor for a switch of threads at each line.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::RunError;
use crate::proto::http::date;

/// Bytes of lines that wait for the thread at most: about 4,000 usual lines.
pub const QUEUE: usize = 1024 * 1024;

/// Bytes that are written without waiting for more.
const BATCH: usize = 64 * 1024;

/// How long lines wait for others to be written with.
const LINGER: Duration = Duration::from_millis(20);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of a file.
    File(PathBuf),
}

/// An access log, opened by `open`.
pub(super) fn open_log<T>(target: Target, open: impl FnOnce(Target) -> io::Result<T>) -> Result<T, RunError> {
    let path = match &target {
        Target::File(path) => path.clone(),
        Target::Stdout | Target::Stderr => "-".into(),
    };
    open(target).map_err(|source| RunError::AccessLog { path, source })
}

/// A moment as a log shows it: `1994-11-06T08:49:37.250Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timestamp([u8; date::RFC3339_LEN]);

impl Timestamp {
    pub(super) fn of(at: SystemTime) -> Self {
        Self(date::rfc3339(at))
    }
}

impl AsRef<str> for Timestamp {
    fn as_ref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_ref())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_ref())
    }
}

/// The near end. The thread ends when it is dropped, after it has written what waits.
#[derive(Debug)]
pub(in crate::server) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Tells the thread that there is something to do.
    work: Condvar,
    /// Tells those who flush that something was written.
    written: Condvar,
}

/// What waits for the thread.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that were lost because too many bytes waited.
    dropped: u64,
    /// Open the target again before the next write.
    reopen: bool,
    /// Flushes that were asked for, and how many of them are done.
    flushes: (u64, u64),
    /// No line will come any more.
    closed: bool,
}

impl Waiting {
    /// Whether the thread must not wait for more lines.
    fn is_urgent(&self) -> bool {
        self.lines.len() >= BATCH || self.reopen || self.closed || self.flushes.0 > self.flushes.1
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Opens the target and starts the thread.
    pub(in crate::server) fn start(target: Target) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let thread = Thread::new(open(&target)?, target, Arc::clone(&shared));
        thread::Builder::new().name("wireworks-access-log".into()).spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Hands a line over, or counts it as lost.
    pub(in crate::server) fn line(&self, line: &[u8]) {
        let mut waiting = self.shared.lock();
        let before = waiting.lines.len();
        if before + line.len() > QUEUE {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        let after = waiting.lines.len();
        drop(waiting);
        if before == 0 || (before < BATCH && after >= BATCH) {
            self.shared.work.notify_one();
        }
    }

    pub(in crate::server) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    pub(in crate::server) fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.work.notify_one();
    }

    /// Waits until all lines so far are written; `false` when that takes too long.
    pub(in crate::server) fn flush(&self, timeout: Duration) -> bool {
        let mut waiting = self.shared.lock();
        waiting.flushes.0 += 1;
        let ours = waiting.flushes.0;
        self.shared.work.notify_one();
        let pending = |waiting: &mut Waiting| waiting.flushes.1 < ours;
        let done = self.shared.written.wait_timeout_while(waiting, timeout, pending);
        !done.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
    }
}

fn open(target: &Target) -> io::Result<Box<dyn Write + Send>> {
    Ok(match target {
        Target::Stdout => Box::new(io::stdout()),
        Target::Stderr => Box::new(io::stderr()),
        Target::File(path) => Box::new(open_file(path)?),
    })
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// The far end.
struct Thread {
    sink: Box<dyn Write + Send>,
    target: Target,
    shared: Arc<Shared>,
    /// Lost lines that were reported.
    reported: u64,
    /// The last write failed: one report is enough for a row of failures.
    failing: bool,
}

impl Thread {
    fn new(sink: Box<dyn Write + Send>, target: Target, shared: Arc<Shared>) -> Self {
        Self { sink, target, shared, reported: 0, failing: false }
    }

    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut batch = Vec::new();
        loop {
            let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_urgent();
            let waiting = shared.work.wait_while(shared.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            let few = |waiting: &mut Waiting| !waiting.is_urgent();
            let gathered = shared.work.wait_timeout_while(waiting, LINGER, few);
            let mut waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
            std::mem::swap(&mut waiting.lines, &mut batch);
            let reopen = std::mem::take(&mut waiting.reopen);
            let (asked, dropped, closed) = (waiting.flushes.0, waiting.dropped, waiting.closed);
            drop(waiting);
            self.write(&batch, reopen, dropped);
            batch.clear();
            shared.lock().flushes.1 = asked;
            shared.written.notify_all();
            if closed {
                return;
            }
        }
    }

    fn write(&mut self, batch: &[u8], reopen: bool, dropped: u64) {
        if reopen {
            match open(&self.target) {
                Ok(sink) => self.sink = sink,
                Err(error) => tracing::error!(%error, "cannot reopen the access log"),
            }
        }
        let written = self.sink.write_all(batch).and_then(|()| self.sink.flush());
        match &written {
            Err(error) if !self.failing => tracing::error!(%error, "cannot write the access log"),
            _ => {}
        }
        self.failing = written.is_err();
        if dropped > self.reported {
            let lines = dropped - self.reported;
            tracing::warn!(lines, "the access log was too slow: lines are lost");
            self.reported = dropped;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn lines_keep_their_order_and_follow_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let writer = Writer::start(Target::File(path.clone())).unwrap();
        for i in 0..100 {
            writer.line(format!("{i}\n").as_bytes());
        }
        assert!(writer.flush(LONG));
        fs::rename(&path, &moved).unwrap();
        writer.line(b"still old\n");
        assert!(writer.flush(LONG));
        writer.reopen();
        writer.line(b"new\n");
        assert!(writer.flush(LONG));
        let old: Vec<String> = fs::read_to_string(&moved).unwrap().lines().map(Into::into).collect();
        assert_eq!(old.len(), 102);
        assert_eq!((old[0].as_str(), old[1].as_str(), old[101].as_str()), ("before", "0", "still old"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(writer.dropped(), 0);
    }

    /// A sink that waits for the test before each write.
    struct Gate(Receiver<()>, std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_loses_lines_and_keeps_nobody_waiting() {
        let (open_gate, gate) = channel();
        let (wrote, written) = channel();
        let shared = Arc::<Shared>::default();
        let writer = Writer { shared: Arc::clone(&shared) };
        // The thread has not started.
        let line = vec![b'x'; QUEUE / 4];
        for _ in 0..10 {
            writer.line(&line);
        }
        assert_eq!(writer.dropped(), 6);
        assert!(!writer.flush(Duration::ZERO), "nobody writes");
        let thread = Thread::new(Box::new(Gate(gate, wrote)), Target::Stdout, shared);
        let thread = thread::spawn(move || thread.run());
        open_gate.send(()).unwrap();
        assert_eq!(written.recv_timeout(LONG).unwrap().len(), QUEUE);
        drop((writer, open_gate));
        thread.join().unwrap();
    }

    #[test]
    fn lines_that_wait_are_written_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (shared, sink) = (Arc::<Shared>::default(), open_file(&path).unwrap());
        let writer = Writer { shared: Arc::clone(&shared) };
        let thread = Thread::new(Box::new(sink), Target::Stdout, shared);
        let thread = thread::spawn(move || thread.run());
        writer.line(b"last\n");
        drop(writer);
        thread.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "last\n");
    }
}

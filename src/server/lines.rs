//! The lines of an access log: the thread that writes them, and the queue to it, which nobody waits for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::RunError;
use crate::proto::http::date;

/// Lines that wait for the thread at most. About 1 MB of usual lines, a quarter of a second at 16,000 requests a second.
pub const QUEUE: usize = 4096;

/// Bytes that are written at once, if so many wait.
const BATCH: usize = 64 * 1024;

/// How often a flush that finds the queue full tries again.
const RETRY: Duration = Duration::from_millis(5);

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

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `1994-11-06T08:49:37.250Z`.
pub(super) fn rfc3339_time(at: SystemTime) -> String {
    let date = date::format(at);
    let part = |range: std::ops::Range<usize>| String::from_utf8_lossy(&date[range]).into_owned();
    let name = part(8..11);
    let month = MONTHS.iter().position(|month| **month == name).unwrap_or_default() + 1;
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{month:02}-{}T{}.{:03}Z", part(12..16), part(5..7), part(17..25), since.subsec_millis())
}

enum Message {
    Line(Vec<u8>),
    /// Says so when everything before it is written.
    Flush(SyncSender<()>),
    /// Looks at the flags.
    Wake,
}

/// The near end of the queue. The thread ends when it is dropped, after it has written what waits.
#[derive(Debug)]
pub(in crate::server) struct Writer {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    /// A flag beside the queue, which may be full.
    reopen: AtomicBool,
}

impl Writer {
    /// Opens the target and starts the thread.
    pub(in crate::server) fn start(target: Target) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let shared = Arc::<Shared>::default();
        let thread = Thread {
            sink: open(&target)?,
            target,
            lines,
            shared: Arc::clone(&shared),
            reported: 0,
            failing: false,
        };
        thread::Builder::new().name("wireworks-access-log".into()).spawn(move || thread.run())?;
        Ok(Self { queue, shared })
    }

    /// Hands a line over, or counts it as lost.
    pub(in crate::server) fn line(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(in crate::server) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    pub(in crate::server) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        // When the queue is full, the thread is awake and sees the flag.
        let _ = self.queue.try_send(Message::Wake);
    }

    pub(in crate::server) fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let (done, told) = sync_channel(1);
        let mut message = Message::Flush(done);
        // A full queue moves when the thread does. Nothing says when; but this is the end of a program.
        while let Err(error) = self.queue.try_send(message) {
            message = match error {
                TrySendError::Full(message) if Instant::now() < deadline => message,
                _ => return false,
            };
            thread::sleep(RETRY);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        told.recv_timeout(left).is_ok()
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
    lines: Receiver<Message>,
    shared: Arc<Shared>,
    /// Lost lines that were reported.
    reported: u64,
    /// The last write failed: one report is enough for a row of failures.
    failing: bool,
}

impl Thread {
    fn run(mut self) {
        let mut batch = Vec::new();
        while let Ok(message) = self.lines.recv() {
            let mut next = Some(message);
            let mut flushed = Vec::new();
            while let Some(message) = next {
                match message {
                    Message::Line(line) => batch.extend_from_slice(&line),
                    Message::Flush(done) => flushed.push(done),
                    Message::Wake => {}
                }
                next = (batch.len() < BATCH).then(|| self.lines.try_recv().ok()).flatten();
            }
            self.write(&batch);
            batch.clear();
            for done in flushed {
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, batch: &[u8]) {
        if self.shared.reopen.swap(false, Ordering::Acquire) {
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
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
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
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn lines_keep_their_order_and_follow_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let writer = Writer::start(Target::File(path.clone())).unwrap();
        for i in 0..100 {
            writer.line(format!("{i}\n").into_bytes());
        }
        assert!(writer.flush(LONG));
        fs::rename(&path, &moved).unwrap();
        writer.line(b"still old\n".to_vec());
        assert!(writer.flush(LONG));
        writer.reopen();
        writer.line(b"new\n".to_vec());
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
        let (queue, lines) = sync_channel(4);
        let shared = Arc::<Shared>::default();
        let writer = Writer { queue, shared: Arc::clone(&shared) };
        // The thread has not started: the queue takes four lines.
        for i in 0..10_u8 {
            writer.line(vec![b'0' + i]);
        }
        assert_eq!(writer.dropped(), 6);
        assert!(!writer.flush(Duration::ZERO), "nobody writes");
        let thread = Thread {
            sink: Box::new(Gate(gate, wrote)),
            target: Target::Stdout,
            lines,
            shared,
            reported: 0,
            failing: false,
        };
        let thread = thread::spawn(move || thread.run());
        open_gate.send(()).unwrap();
        assert_eq!(written.recv_timeout(LONG).unwrap(), b"0123");
        drop(writer);
        thread.join().unwrap();
    }
}

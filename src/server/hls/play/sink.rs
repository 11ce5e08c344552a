//! Where a stream is written: a file, or the standard output, by a thread that may wait.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

/// Pieces that wait to be written: as many segments. The player waits with more.
const WAITING: usize = 8;

/// A file that a stream is written to.
struct Recording {
    file: File,
    path: PathBuf,
    /// It was not there before.
    is_new: bool,
    /// Nothing was written yet.
    is_empty: bool,
}

impl Write for Recording {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.is_empty) && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.is_new && self.is_empty {
            // A file with nothing in it is of no use to anybody, and does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Something that a stream is written to.
#[derive(Debug)]
pub struct Sink {
    name: String,
    sender: Sender<Bytes>,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Sink {
    /// The standard output.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn stdout() -> io::Result<Self> {
        Self::to("the standard output".to_owned(), io::stdout())
    }

    /// A file. One that is there is emptied when there is something to write, and not before.
    ///
    /// # Errors
    /// It cannot be written, or there is no thread for it.
    pub fn file(path: &Path) -> io::Result<Self> {
        let (file, is_new) = match File::create_new(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).open(path)?, false)
            }
            Err(error) => return Err(error),
        };
        let recording = Recording { file, path: path.to_owned(), is_new, is_empty: true };
        Self::to(path.display().to_string(), recording)
    }

    fn to(name: String, mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, mut receiver) = channel::<Bytes>(WAITING);
        let (end, ended) = oneshot::channel();
        let mut write = move || {
            while let Some(bytes) = receiver.blocking_recv() {
                out.write_all(&bytes)?;
                out.flush()?;
            }
            Ok(())
        };
        // No thread of the runtime, which would wait for one whose reader never reads.
        thread::Builder::new().name("output".to_owned()).spawn(move || end.send(write()))?;
        Ok(Self { name, sender, ended })
    }

    /// What it is called in errors.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes, when there is room; false if nobody reads any more.
    pub async fn write(&mut self, bytes: Bytes) -> bool {
        self.sender.send(bytes).await.is_ok()
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// It cannot be. That somebody has closed the other end is none.
    pub async fn close(self) -> io::Result<()> {
        drop(self.sender);
        match self.ended.await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Ok(_) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

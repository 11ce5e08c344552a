//! Bytes at any place: of a file, of a temporary file that has no name any more, or of a resource on a web server.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::error::MediaError;
use super::remote::Remote;

/// Where the bytes of an input are.
#[derive(Debug)]
pub struct Source {
    /// The input as its user called it.
    name: String,
    length: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Remote(Box<Remote>),
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// It is not there, may not be read, or has no places that can be gone to (a pipe, a folder).
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| {
            let about = file.metadata()?;
            if !about.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
            }
            Ok((file, about.len()))
        });
        match opened {
            Ok((file, length)) => Ok(Self { name, length, bytes: Bytes::File(file) }),
            Err(source) => Err(MediaError::Open { name, source }),
        }
    }

    /// What a web server has.
    pub(super) fn remote(name: String, remote: Remote) -> Self {
        Self { name, length: remote.length(), bytes: Bytes::Remote(Box::new(remote)) }
    }

    /// What the input is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of it.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` with the bytes from `at` on.
    ///
    /// # Errors
    /// The input ends before, or cannot be read.
    pub fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), MediaError> {
        let outcome = match &self.bytes {
            Bytes::File(file) => file.read_exact_at(buffer, at),
            Bytes::Remote(remote) => remote.read(buffer, at),
        };
        outcome.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                MediaError::Ended { name: self.name.clone(), at: at + buffer.len() as u64 }
            }
            _ => MediaError::Read { name: self.name.clone(), at, source },
        })
    }

    /// Up to `most` bytes from `at` on: fewer where the input ends.
    pub(super) fn up_to(&self, at: u64, most: u64) -> Result<bytes::Bytes, MediaError> {
        let size = most.min(self.length.saturating_sub(at));
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.read(&mut buffer, at)?;
        Ok(buffer.into())
    }
}

/// A temporary file without a name, into which an input goes that can be read only once.
#[derive(Debug)]
pub(super) struct Spool {
    name: String,
    file: File,
    buffer: Vec<u8>,
    length: u64,
}

/// Bytes that are written to a spool at once.
const SPOOL: usize = 128 * 1024;

impl Spool {
    /// A file in the folder for temporary files, for the input `name`.
    pub(super) fn new(name: &str) -> Result<Self, MediaError> {
        let file = nameless().map_err(|source| MediaError::Spool { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), file, buffer: Vec::new(), length: 0 })
    }

    /// Appends bytes; returns where they begin.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<u64, MediaError> {
        let at = self.length;
        self.length += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= SPOOL {
            self.flush()?;
        }
        Ok(at)
    }

    fn flush(&mut self) -> Result<(), MediaError> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|source| MediaError::Spool { name: self.name.clone(), source })
    }

    /// What was written, to be read.
    pub(super) fn finish(mut self) -> Result<Source, MediaError> {
        self.flush()?;
        Ok(Source { name: self.name, length: self.length, bytes: Bytes::File(self.file) })
    }
}

fn nameless() -> io::Result<File> {
    let folder = std::env::temp_dir();
    for _ in 0..16 {
        let path = folder.join(format!("wireworks-{:016x}", fastrand::u64(..)));
        let opened = File::options().read(true).write(true).create_new(true).open(&path);
        match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name for a temporary file is free"))
}

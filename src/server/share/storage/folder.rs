//! The folder below which the files of torrents are, and the way to each of them.
//!
//! What is written never leaves the folder: the path is walked level by level, and a symbolic link on the way is an error. What is read may be behind a link, as a person
//! may have put it there, and what it gives is checked by its hash before anybody has it.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// A level of the way.
const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What can be read: opening a FIFO would wait for a writer.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// What is written, and read again.
const WRITE: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// A folder.
#[derive(Debug)]
pub struct Folder {
    dir: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens one that is there. It may be a symbolic link itself.
    ///
    /// # Errors
    /// It is not there, or not for us.
    pub fn open(path: &Path) -> io::Result<Self> {
        let dir =
            rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { dir, path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file to read it.
    ///
    /// # Errors
    /// It is not there, or no file.
    pub fn read(&self, path: &[String]) -> io::Result<File> {
        let file = File::from(rustix::fs::openat(&self.dir, path.join("/"), READ, Mode::empty())?);
        of_a_file(file)
    }

    /// Opens a file to write it, and makes it, with the folders above it, if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or there is something else in its place.
    pub fn write(&self, path: &[String], executable: bool) -> io::Result<File> {
        let (dir, name) = self.above(path)?;
        let dir = dir.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        let file = rustix::fs::openat(dir, name, WRITE, mode).map_err(|error| self.linked(error, path))?;
        of_a_file(File::from(file))
    }

    /// Makes a symbolic link, unless there is something in its place. Where it leads to is relative to the folder of the link.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn link(&self, path: &[String], target: &Path) -> io::Result<()> {
        let (dir, name) = self.above(path)?;
        let dir = dir.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
        match rustix::fs::symlinkat(target, dir, name) {
            Err(Errno::EXIST) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder above the last level, made if it has to be, and the last level.
    fn above(&self, path: &[String]) -> io::Result<(Option<OwnedFd>, CString)> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let (name, folders) = path.split_last().ok_or_else(invalid)?;
        let mut dir: Option<OwnedFd> = None;
        for folder in folders {
            let at = dir.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
            match rustix::fs::mkdirat(at, folder.as_str(), Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            dir = Some(
                rustix::fs::openat(at, folder.as_str(), STEP, Mode::empty())
                    .map_err(|error| self.linked(error, path))?,
            );
        }
        Ok((dir, CString::new(name.as_str()).map_err(|_| invalid())?))
    }

    /// What is wrong with a way, in words that help.
    fn linked(&self, error: Errno, path: &[String]) -> io::Error {
        match error {
            Errno::LOOP | Errno::NOTDIR => io::Error::other(format!(
                "{} leads over something that is no folder, or a symbolic link, which is not written through",
                self.path.join(path.join("/")).display()
            )),
            error => error.into(),
        }
    }
}

/// A file, and nothing else.
fn of_a_file(file: File) -> io::Result<File> {
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(file),
        FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn files_are_made_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write(&path("t/a/b"), false).unwrap().write_all(b"abc").unwrap();
        let mut text = String::new();
        folder.read(&path("t/a/b")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        assert_eq!(folder.read(&path("t/a/c")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(folder.read(&path("t/a")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        folder.link(&path("t/c"), Path::new("a/b")).unwrap();
        folder.link(&path("t/c"), Path::new("a/x")).unwrap();
        assert_eq!(std::fs::read(dir.path().join("t/c")).unwrap(), b"abc", "the first one stays");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("secret"), "old").unwrap();
        symlink(other.path(), dir.path().join("away")).unwrap();
        symlink(other.path().join("secret"), dir.path().join("file")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        for bad in ["away/secret", "away/new", "file"] {
            let error = folder.write(&path(bad), false).unwrap_err().to_string();
            assert!(error.contains("symbolic link"), "{bad}: {error}");
        }
        assert!(folder.write(&[], false).is_err());
        assert_eq!(std::fs::read(other.path().join("secret")).unwrap(), b"old");
        assert!(!other.path().join("new").exists());
        folder.read(&path("away/secret")).unwrap();
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, mode, 0).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(folder.read(&path("fifo")).is_err());
        assert!(folder.write(&path("fifo"), false).is_err());
    }
}

//! Unix sockets and the files that stand for them.
//!
//! The file of a Unix socket outlives its process unless somebody removes it. We remove ours when the last listener goes,
//! and a stranger's before we bind, but only when nobody answers on it and it is a socket at all.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, ListenError};
use crate::net::addr::ListenAddr;

/// The file of a socket that we bound; removed on drop, unless another socket has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Somebody else has the socket now.
    kept: AtomicBool,
}

impl SocketFile {
    /// The file at `path`, which is that of a socket that we were given.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let identity = identity(&fs::symlink_metadata(path)?);
        Ok(Self { path: path.into(), identity, kept: AtomicBool::new(false) })
    }

    /// Leaves it where it is.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Removes it at the end, though it was to be [kept](Self::keep) before.
    pub(super) fn own(&self) {
        self.kept.store(false, Ordering::Relaxed);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if *self.kept.get_mut() {
            return;
        }
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity);
        if ours {
            // Nobody is left to hear of a failure, and a file that stays does no harm: the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Binds a socket at `path` and listens. `address` is for the error.
pub(super) fn bind(address: &ListenAddr, path: &Path) -> Result<(Socket, SocketFile), ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    let name = SockAddr::unix(path).map_err(failed)?;
    clear_stale(address, path, &name)?;
    listen(path, &name).map_err(failed)
}

fn listen(path: &Path, name: &SockAddr) -> io::Result<(Socket, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(name)?;
    let file = SocketFile::of(path)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((socket, file))
}

/// Makes room at `path` when a socket is there on which nobody answers.
fn clear_stale(address: &ListenAddr, path: &Path, name: &SockAddr) -> Result<(), ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.file_type().is_socket() => return Err(ListenError::Occupied(address.clone())),
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    // A listener with a full queue would let a blocking probe wait.
    probe.set_nonblocking(true).map_err(failed)?;
    match probe.connect(name) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(failed(error)),
        _ => Err(ListenError::Answered(address.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn try_bind(path: &Path) -> Result<(Socket, SocketFile), ListenError> {
        bind(&ListenAddr::Unix(path.into()), path)
    }

    #[test]
    fn a_stale_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stale.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves its file behind");
        let bound = try_bind(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_answers_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.sock");
        let _live = UnixListener::bind(&path).unwrap();
        let line = try_bind(&path).unwrap_err().to_string();
        assert_eq!(line, format!("cannot listen on unix:{}: another process listens there", path.display()));
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("precious");
        fs::write(&file, "data").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link, &folder.path().to_path_buf()] {
            assert!(matches!(try_bind(path), Err(ListenError::Occupied(_))), "{}", path.display());
        }
        assert_eq!(fs::read(&file).unwrap(), b"data");
    }

    #[test]
    fn the_socket_of_a_successor_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let (_socket, file) = try_bind(&path).unwrap();
        // Renamed over ours, as a successor does it; the old inode lives on, so its number cannot be reused.
        let _successor = UnixListener::bind(folder.path().join("new.sock")).unwrap();
        fs::rename(folder.path().join("new.sock"), &path).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn a_missing_folder_and_an_endless_path_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let line = try_bind(&folder.path().join("none/app.sock")).unwrap_err().to_string();
        assert!(line.ends_with("no such folder"), "{line}");
        let long = folder.path().join("x".repeat(200));
        assert!(matches!(try_bind(&long), Err(ListenError::System { .. })));
    }
}

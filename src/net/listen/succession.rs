//! Listening sockets handed from a process to the one that takes its place, so that no client notices.
//!
//! The predecessor starts its successor with duplicates of its sockets and names them in `WIREWORKS_SOCKETS`: lines of a descriptor, a
//! number that is the same for all sockets of one address, and the address as it was configured. `WIREWORKS_READY` names the end of a
//! pipe: the successor writes a byte into it when it accepts, and the predecessor goes on as before if the pipe ends without one.
//! `WIREWORKS_PREDECESSOR` is the process that all this comes from, so that a child of the successor does not take it for its own.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::getppid;
use socket2::Socket;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::handover::adopt;
use super::unix::SocketFile;
use super::{Bound, Keeper};
use crate::net::addr::ListenAddr;

const SOCKETS: &str = "WIREWORKS_SOCKETS";
const READY: &str = "WIREWORKS_READY";
const PREDECESSOR: &str = "WIREWORKS_PREDECESSOR";

/// The sockets of one address, as it was configured.
pub type Named = (ListenAddr, Vec<Bound>);

/// Starts `command` as our successor at these sockets. Sockets stay ours until they are [handed over](Bound::hand_over).
///
/// # Errors
/// The program cannot be started, or descriptors are lacking.
pub fn start(command: &mut Command, sockets: &[Named]) -> io::Result<Successor> {
    let mut text = String::new();
    let mut passed: Vec<OwnedFd> = Vec::new();
    for (number, (address, sockets)) in sockets.iter().enumerate() {
        for bound in sockets {
            let socket = OwnedFd::from(bound.socket.try_clone()?);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {number} {address}", socket.as_raw_fd());
            passed.push(socket);
        }
    }
    let (ready, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    command.env(READY, tell.as_raw_fd().to_string());
    passed.push(tell);
    for descriptor in &passed {
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    command.env(SOCKETS, text).env(PREDECESSOR, std::process::id().to_string());
    let child = command.spawn()?;
    Ok(Successor { child, ready, accepts: false })
}

/// A process that is about to take our place. Dropped before it accepts, it is killed: nobody waits for it any more.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    ready: OwnedFd,
    accepts: bool,
}

impl Successor {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it accepts, for so long at most.
    ///
    /// # Errors
    /// It ended before it did, or took too long. It is killed then.
    pub async fn wait_until_ready(mut self, limit: Duration) -> io::Result<()> {
        let outcome = timeout(limit, self.heard()).await.unwrap_or_else(|_| {
            Err(io::Error::other(format!("the new process was not ready after {} s", limit.as_secs())))
        });
        self.accepts = outcome.is_ok();
        outcome
    }

    async fn heard(&mut self) -> io::Result<()> {
        let mut ready = pipe::Receiver::from_owned_fd(self.ready.try_clone()?)?;
        match ready.read(&mut [0]).await? {
            0 => Err(io::Error::other("the new process has ended before it was ready")),
            _ => Ok(()),
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.accepts {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The process whose place we take.
#[derive(Debug)]
pub struct Predecessor {
    sockets: Vec<Named>,
    /// Those of Unix sockets. They are the predecessor's, which may have to go on, until it is told that we accept.
    files: Vec<Arc<SocketFile>>,
    ready: File,
}

impl Predecessor {
    /// What our predecessor has left us; `None` if we have none. To be called once: the descriptors are taken.
    ///
    /// # Errors
    /// What it said cannot be understood.
    pub fn take() -> io::Result<Option<Self>> {
        let variable = |name| std::env::var(name).ok();
        let (Some(sockets), Some(ready), Some(id)) =
            (variable(SOCKETS), variable(READY), variable(PREDECESSOR))
        else {
            return Ok(None);
        };
        let parent = getppid().map(|id| id.as_raw_nonzero().get().to_string());
        if parent != Some(id) {
            return Ok(None);
        }
        let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("{SOCKETS} or {READY} is malformed"));
        let mut named: Vec<Named> = Vec::new();
        let mut files = Vec::new();
        let mut last = None;
        for line in sockets.lines() {
            let (descriptor, number, address) = parse(line).ok_or_else(bad)?;
            let socket = Socket::from(adopt(descriptor)?);
            let bound = bound(socket, &address)?;
            files.extend(bound.file.clone());
            match named.last_mut() {
                Some((_, sockets)) if last == Some(number) => sockets.push(bound),
                _ => named.push((address, vec![bound])),
            }
            last = Some(number);
        }
        let ready = ready.parse().map_err(|_| bad())?;
        Ok(Some(Self { sockets: named, files, ready: adopt(ready)?.into() }))
    }

    /// The sockets, those of each address together. Those that are not used are to be dropped.
    pub fn sockets(&mut self) -> Vec<Named> {
        std::mem::take(&mut self.sockets)
    }

    /// Says that we accept: the predecessor stops, and the files of its Unix sockets are ours.
    ///
    /// # Errors
    /// It is gone.
    pub fn ready(mut self) -> io::Result<()> {
        self.files.iter().for_each(|file| file.own());
        self.ready.write_all(b"1")
    }
}

fn parse(line: &str) -> Option<(RawFd, usize, ListenAddr)> {
    let (descriptor, rest) = line.split_once(' ')?;
    let (number, address) = rest.split_once(' ')?;
    Some((descriptor.parse().ok()?, number.parse().ok()?, address.parse().ok()?))
}

/// The socket as if we had bound it to `address`, but for its file: that is not ours yet.
fn bound(socket: Socket, address: &ListenAddr) -> io::Result<Bound> {
    socket.set_nonblocking(true)?;
    let file = match address {
        ListenAddr::Unix(path) => Some(Arc::new(SocketFile::of(path)?)),
        _ => None,
    };
    file.iter().for_each(|file| file.keep());
    let keeper = match address {
        ListenAddr::Inherited(_) => Keeper::manager(),
        _ => Keeper::default(),
    };
    Ok(Bound { address: super::name_of(&socket)?, socket, file, keeper: keeper.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_sockets() {
        for (line, expected) in [
            ("7 0 127.0.0.1:80", Some((7, 0, "127.0.0.1:80"))),
            ("12 3 unix:/run/with space.sock", Some((12, 3, "unix:/run/with space.sock"))),
            ("7 0", None),
            ("x 0 127.0.0.1:80", None),
            ("7 0 nonsense", None),
        ] {
            let found = parse(line).map(|(fd, number, address)| (fd, number, address.to_string()));
            assert_eq!(
                found,
                expected.map(|(fd, number, address)| (fd, number, address.to_owned())),
                "{line}"
            );
        }
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_program_that_ends_early_takes_no_place() {
        let successor = start(&mut Command::new("true"), &[]).unwrap();
        let error = successor.wait_until_ready(PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), "the new process has ended before it was ready");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_killed() {
        let successor = start(Command::new("sleep").arg("1000"), &[]).unwrap();
        let id = successor.id();
        let error = successor.wait_until_ready(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "the new process was not ready after 0 s");
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }

    #[tokio::test]
    async fn a_program_that_says_so_is_ready() {
        let mut command = Command::new("sh");
        command.args(["-c", "printf 1 > /proc/self/fd/$WIREWORKS_READY"]);
        start(&mut command, &[]).unwrap().wait_until_ready(PATIENCE).await.unwrap();
    }
}

//! Descriptors handed over by the service manager, by the protocol of `sd_listen_fds(3)`.
//!
//! `LISTEN_FDS` says how many there are, from descriptor 3 on; `LISTEN_PID` says for which process they are meant;
//! `LISTEN_FDNAMES` names them, with colons between. We take a duplicate and leave the original open: the socket lives
//! on with the service manager anyway, and what waits in its queue is served by our successor.

use std::io;
use std::num::ParseIntError;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};
use socket2::{Socket, Type};

use crate::net::addr::Inherited;

/// The first descriptor handed over (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// Descriptors at most. A guard against nonsense: systemd's limit for a unit is its `LimitNOFILE`.
const MAX: usize = 1024;

/// Why there is no descriptor to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// `LISTEN_FDS` or `LISTEN_PID` is missing.
    #[error("no descriptors were handed over: LISTEN_FDS and LISTEN_PID are not both set")]
    Nothing,
    /// The descriptors are meant for another process.
    #[error("the descriptors were handed over to process {0}, not to this one")]
    OtherProcess(u32),
    /// A variable that is no number.
    #[error("{0} is {1:?}, which is not a number in range")]
    Malformed(&'static str, String),
    /// No descriptor of that index.
    #[error("only {0} were handed over, counted from 0")]
    Index(usize),
    /// No descriptor of that name.
    #[error("no descriptor of that name was handed over (LISTEN_FDNAMES has {0:?})")]
    Name(String),
    /// The descriptor is closed, or no listening stream socket.
    #[error("descriptor {0} is not a listening socket")]
    NotListening(RawFd),
}

/// What was handed over.
#[derive(Debug, PartialEq, Eq)]
struct Handover {
    count: usize,
    names: String,
}

/// Takes a duplicate of one of the descriptors handed over to this process.
pub(super) fn take(which: &Inherited) -> Result<Socket, HandoverError> {
    let variable = |name| std::env::var(name).ok();
    let handover = Handover::parse(
        std::process::id(),
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
    )?;
    listening(handover.descriptor(which)?)
}

impl Handover {
    fn parse(
        own: u32,
        pid: Option<&str>,
        fds: Option<&str>,
        names: Option<&str>,
    ) -> Result<Self, HandoverError> {
        let (Some(pid), Some(fds)) = (pid, fds) else {
            return Err(HandoverError::Nothing);
        };
        let malformed = |name, text: &str| HandoverError::Malformed(name, text.into());
        let meant: u32 = pid.parse().map_err(|_: ParseIntError| malformed("LISTEN_PID", pid))?;
        if meant != own {
            return Err(HandoverError::OtherProcess(meant));
        }
        let count = fds.parse().ok().filter(|&count| count <= MAX);
        let count = count.ok_or_else(|| malformed("LISTEN_FDS", fds))?;
        Ok(Self { count, names: names.unwrap_or_default().into() })
    }

    /// The number of the descriptor.
    fn descriptor(&self, which: &Inherited) -> Result<RawFd, HandoverError> {
        let index = match which {
            Inherited::Index(index) => *index,
            Inherited::Name(name) => {
                let position = self.names.split(':').take(self.count).position(|given| given == name);
                position.ok_or_else(|| HandoverError::Name(self.names.clone()))?
            }
        };
        let number = RawFd::try_from(index).ok().filter(|_| index < self.count);
        number.map(|index| FIRST + index).ok_or(HandoverError::Index(self.count))
    }
}

/// A duplicate of the descriptor, when it is a listening stream socket.
fn listening(number: RawFd) -> Result<Socket, HandoverError> {
    let refuse = || HandoverError::NotListening(number);
    let socket = Socket::from(duplicate(number).ok_or_else(refuse)?);
    let fits =
        socket.r#type().is_ok_and(|kind| kind == Type::STREAM) && socket.is_listener().unwrap_or(false);
    if !fits {
        return Err(refuse());
    }
    socket.set_nonblocking(true).map_err(|_| refuse())?;
    Ok(socket)
}

/// Takes a descriptor that our predecessor has opened for us, and keeps it from programs that we start.
#[allow(unsafe_code)]
pub(super) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // 0 to 2 are the standard streams, which are not handed over.
    if number < FIRST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{number} is no descriptor for us")));
    }
    // SAFETY: the number is not -1, and the loan ends in this statement and closes nothing; without such a descriptor the call fails.
    fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as the call above has shown, and was opened by our predecessor for us alone: nobody else in this process knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Duplicates the descriptor, and keeps the original from programs that we start.
#[allow(unsafe_code)]
fn duplicate(number: RawFd) -> Option<OwnedFd> {
    if number < 0 {
        return None;
    }
    // SAFETY: the number is not -1. The loan ends in this function and closes nothing; when the descriptor is not open,
    // both calls fail with EBADF and touch no other resource.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC).ok()?;
    borrowed.try_clone_to_owned().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_variables_are_read_as_systemd_sets_them() {
        let parse = |pid, fds, names| Handover::parse(42, pid, fds, names);
        let two = Handover { count: 2, names: "web:admin".into() };
        assert_eq!(parse(Some("42"), Some("2"), Some("web:admin")), Ok(two));
        assert_eq!(parse(Some("42"), Some("1"), None), Ok(Handover { count: 1, names: String::new() }));
        for (pid, fds) in [(None, None), (Some("42"), None), (None, Some("1"))] {
            assert_eq!(parse(pid, fds, None), Err(HandoverError::Nothing));
        }
        assert_eq!(parse(Some("43"), Some("1"), None), Err(HandoverError::OtherProcess(43)));
        assert_eq!(
            parse(Some("x"), Some("1"), None),
            Err(HandoverError::Malformed("LISTEN_PID", "x".into()))
        );
        for fds in ["", "-1", "1025", "99999999999999999999"] {
            assert_eq!(
                parse(Some("42"), Some(fds), None),
                Err(HandoverError::Malformed("LISTEN_FDS", fds.into()))
            );
        }
    }

    #[test]
    fn descriptors_are_found_by_index_and_by_name() {
        let handover = Handover { count: 2, names: "web:admin:beyond".into() };
        assert_eq!(handover.descriptor(&Inherited::Index(0)), Ok(3));
        assert_eq!(handover.descriptor(&Inherited::Index(1)), Ok(4));
        assert_eq!(handover.descriptor(&Inherited::Index(2)), Err(HandoverError::Index(2)));
        assert_eq!(handover.descriptor(&Inherited::Index(usize::MAX)), Err(HandoverError::Index(2)));
        assert_eq!(handover.descriptor(&Inherited::Name("admin".into())), Ok(4));
        for name in ["beyond", "we", ""] {
            let found = handover.descriptor(&Inherited::Name(name.into()));
            assert_eq!(found, Err(HandoverError::Name("web:admin:beyond".into())), "{name:?}");
        }
    }

    #[test]
    fn only_a_listening_socket_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listening(listener.as_raw_fd()).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(taken.local_addr().unwrap().as_socket(), Some(address));
        drop(listener);
        let client = std::net::TcpStream::connect(address).unwrap();
        let file = tempfile::tempfile().unwrap();
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let unfit = [client.as_raw_fd(), file.as_raw_fd(), datagram.as_raw_fd(), -1, RawFd::MAX];
        for number in unfit {
            assert_eq!(listening(number).unwrap_err(), HandoverError::NotListening(number));
        }
    }

    #[test]
    fn a_process_that_nobody_handed_anything_says_so() {
        // The test runner is not started by a service manager with sockets for this very process.
        assert!(matches!(
            take(&Inherited::Index(0)),
            Err(HandoverError::Nothing | HandoverError::OtherProcess(_))
        ));
    }
}

//! Why an address cannot be listened on, in one line.

use std::io;

use super::HandoverError;
use crate::net::addr::ListenAddr;
use crate::net::words;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refused.
    #[error("cannot listen on {address}: {}", plain(error))]
    System {
        /// The address as asked for.
        address: ListenAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The path of a Unix socket holds a file, a folder or a link.
    #[error("cannot listen on {0}: there is something else than a socket at this path")]
    Occupied(ListenAddr),
    /// A process answers on the Unix socket.
    #[error("cannot listen on {0}: another process listens there")]
    Answered(ListenAddr),
    /// The service manager has not handed the descriptor over.
    #[error("cannot listen on {address}: {error}")]
    Handover {
        /// The address as asked for.
        address: ListenAddr,
        /// What is missing.
        error: HandoverError,
    },
}

/// The system's refusal in plain words.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use by another process".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::NotFound => "no such folder".into(),
        _ => words::plain(error),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_system_is_translated() {
        let rows = [
            (Errno::ACCESS, "permission denied"),
            (Errno::PERM, "permission denied"),
            (Errno::ADDRINUSE, "the address is in use by another process"),
            (Errno::ADDRNOTAVAIL, "this machine has no such address"),
            (Errno::NOENT, "no such folder"),
            (Errno::MFILE, "too many open files"),
        ];
        let address: ListenAddr = "0.0.0.0:80".parse().unwrap();
        for (number, text) in rows {
            let error = io::Error::from_raw_os_error(number.raw_os_error());
            let line = ListenError::System { address: address.clone(), error }.to_string();
            assert_eq!(line, format!("cannot listen on 0.0.0.0:80: {text}"));
        }
    }
}

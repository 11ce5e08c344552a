//! How a conversation ends when it does not end well, and the exit status of each end.

use std::io;
use std::path::{Path, PathBuf};

use super::words::words;
use crate::server::ws::client::OpenError;
use crate::server::ws::command::TargetError;
use crate::server::ws::{CloseReason, SocketError};

/// Why there was no conversation, or how it ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The command line, or a file of certificates.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file of messages cannot be opened.
    #[error("cannot open {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no socket.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The time to stay was over before the connection was made again.
    #[error("the connection was lost, and not made again in time")]
    Away,
    /// The server closed the connection for a reason that is not a good one.
    #[error("the server closed with {}", words(.0))]
    Closed(CloseReason),
    /// Fewer messages came than were to come.
    #[error("{came} of {wanted} messages came")]
    Fewer {
        /// How many came.
        came: u64,
        /// How many were awaited.
        wanted: u64,
    },
    /// What was to be sent cannot be.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What came cannot be written.
    #[error("cannot write what came: {0}")]
    Output(io::Error),
    /// The system gives no thread, or no signals.
    #[error(transparent)]
    System(#[from] io::Error),
    /// A signal before the connection was open, or a second one.
    #[error("interrupted")]
    Interrupted,
}

/// Why something cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A line is not UTF-8, which a text message has to be.
    #[error("line {number} of the input is not UTF-8; --binary sends bytes as they are")]
    NotUtf8 {
        /// Which one, from 1.
        number: u64,
    },
    /// A line over the limit.
    #[error("line {number} of the input is longer than {limit} bytes")]
    LineTooLong {
        /// Which one, from 1.
        number: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A file over the limit.
    #[error("{name} is longer than {limit} bytes, which is too much for one message")]
    FileTooLong {
        /// Its name.
        name: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// It cannot be read.
    #[error("cannot read {name}: {error}")]
    Read {
        /// Its name.
        name: String,
        /// What the system said.
        error: io::Error,
    },
}

/// Statuses beside 0 and 1. 64 is `EX_USAGE` of `sysexits.h`, 130 what a shell gives a program that SIGINT has ended.
const PROTOCOL: u8 = 2;
const REFUSED: u8 = 3;
const APPLICATION: u8 = 4;
const USAGE: u8 = 64;
const INTERRUPTED: u8 = 130;

impl ConnectError {
    pub(super) fn file(path: &Path, error: io::Error) -> Self {
        Self::File { path: path.into(), error }
    }

    /// The exit status, as `docs/websocket.md` has them.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Target(error) if error.is_usage() => USAGE,
            Self::Open(OpenError::Url(_) | OpenError::Wish(_) | OpenError::UnixByProxy) => USAGE,
            Self::Socket(SocketError::Peer(_)) => PROTOCOL,
            Self::Closed(reason) => by_code(reason),
            Self::Interrupted => INTERRUPTED,
            Self::Target(_)
            | Self::File { .. }
            | Self::Open(_)
            | Self::Socket(_)
            | Self::Away
            | Self::Fewer { .. }
            | Self::Input(_)
            | Self::Output(_)
            | Self::System(_) => 1,
        }
    }
}

/// The exit status for a close code; 0 for those that are no failure.
fn by_code(reason: &CloseReason) -> u8 {
    match reason.code().get() {
        1000 | 1001 => 0,
        1002 | 1003 | 1007 | 1009 | 1010 => PROTOCOL,
        3000..=4999 => APPLICATION,
        _ => REFUSED,
    }
}

/// Whether a server that closes with this, or with nothing, has done so in good order.
pub(super) fn is_good(reason: Option<&CloseReason>) -> bool {
    reason.is_none_or(|reason| by_code(reason) == 0)
}

/// Whether a server that closes so may be asked again at once.
pub(super) fn is_passing(reason: Option<&CloseReason>) -> bool {
    reason.is_some_and(|reason| matches!(reason.code().get(), 1001 | 1011..=1014))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ws::CloseCode;

    fn reason(code: u16, text: &str) -> CloseReason {
        CloseReason::new(CloseCode::new(code).unwrap(), text)
    }

    #[test]
    fn each_code_has_its_status() {
        let rows = [
            (0, true, &[1000, 1001][..]),
            (2, false, &[1002, 1003, 1007, 1009, 1010]),
            (3, false, &[1008, 1011, 1012, 1013, 1014]),
            (4, false, &[3000, 3999, 4000, 4999]),
        ];
        for (status, good, codes) in rows {
            for &code in codes {
                let reason = reason(code, "");
                assert_eq!((by_code(&reason), is_good(Some(&reason))), (status, good), "{code}");
                assert_eq!(ConnectError::Closed(reason).status(), status);
            }
        }
        assert!(is_good(None));
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let passing = [1001, 1011, 1012, 1013, 1014];
        for code in [1000, 1001, 1002, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4000] {
            assert_eq!(is_passing(Some(&reason(code, ""))), passing.contains(&code), "{code}");
        }
        assert!(!is_passing(None));
    }

    #[test]
    fn other_ends_have_theirs() {
        let rows = [
            (ConnectError::Target(TargetError::Header), 64),
            (ConnectError::Open(OpenError::UnixByProxy), 64),
            (ConnectError::Socket(SocketError::Torn), 1),
            (ConnectError::Socket(crate::proto::ws::reject::Reject::Masked.into()), 2),
            (ConnectError::Input(InputError::NotUtf8 { number: 1 }), 1),
            (ConnectError::Fewer { came: 0, wanted: 1 }, 1),
            (ConnectError::Interrupted, 130),
        ];
        for (error, status) in rows {
            assert_eq!(error.status(), status, "{error}");
        }
    }
}

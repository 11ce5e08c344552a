//! Why a server cannot run.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::net::addr::AddrError;
use crate::net::listen::ListenError;
use crate::net::tls::TlsError;

/// Why a server cannot run. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody has said where to listen.
    #[error("the server has no address to listen on")]
    NoAddress,
    /// A text is no address.
    #[error(transparent)]
    Address(#[from] AddrError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A configuration that a program has put together names what it does not have.
    #[error("the configuration is not whole: {0}")]
    Configuration(String),
    /// Certificates or keys are wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The access log cannot be opened.
    #[error("cannot open the access log {}", path.display())]
    AccessLog {
        /// The file; `-` for the standard output and error.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is going down, and begins nothing new.
    #[error("the server is stopping")]
    Stopping,
    /// A file cannot be written that is needed.
    #[error("cannot keep {}", path.display())]
    Keep {
        /// The file, or the folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Threads, runtimes or signals are not to be had.
    #[error("the server cannot run")]
    System(#[from] io::Error),
}

/// What is an address already cannot fail to become one.
impl From<Infallible> for RunError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The error and its causes in one line, each once.
#[must_use]
pub fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text.replace('\n', " ")
}

//! HTTP/1.1 over a connection that we made.
//!
//! A [`Client`] sends requests over connections that it keeps. [`fetch`] gets by it what is at an address, by as many requests and connections as that takes;
//! [`exchange`] is one request with its response over one connection, and bodies both ways. Where something else is spoken afterwards, [`ask`] sends one request and waits for the response that counts. [`tunnel`] gets a connection through a proxy.

mod address;
mod connections;
pub mod exchange;
pub mod fetch;
mod tunnel;

use std::io;

pub use self::address::{Address, AddressError, Server};
pub use self::connections::{Client, Reply, SendError};
pub use self::tunnel::{ANSWER, TunnelError, tunnel};
use crate::net::conn::{Conn, ConnError};
use crate::net::io::Transport;
use crate::proto::http::client::{Fault, Opening, RequestHead, ResponseHead};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// What came is no response.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection ended before the response did.
    #[error("the connection was closed before there was an answer")]
    Closed,
    /// The deadline of the connection passed.
    #[error("there was no answer in time")]
    Deadline,
}

impl AskError {
    /// Whether asking again may help: not, when the other end speaks something else.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Fault(_))
    }
}

impl From<ConnError<Fault>> for AskError {
    fn from(error: ConnError<Fault>) -> Self {
        match error {
            ConnError::Io(error) => Self::Io(error),
            ConnError::Proto(fault) => Self::Fault(fault),
            ConnError::Torn => Self::Closed,
            ConnError::Idle => Self::Deadline,
        }
    }
}

/// Sends a request, and waits for its response until the connection's deadline. What follows the head of the response stays
/// in the connection, for the codec that it is switched to.
///
/// # Errors
/// There is no response.
pub async fn ask<S: Transport>(
    conn: &mut Conn<S, Opening>,
    request: RequestHead,
) -> Result<ResponseHead, AskError> {
    conn.feed(request)?;
    conn.recv().await?.ok_or(AskError::Closed)
}

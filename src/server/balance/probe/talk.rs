//! A health check for any protocol: bytes to send, and bytes to expect.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CheckError, MAX_ANSWER};
use crate::net::io::Io;

/// The bytes of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// The bytes to send first; empty if the backend speaks first.
    pub send: Vec<u8>,
    /// The bytes that the first [`MAX_ANSWER`] bytes of the answer must contain; if empty, no answer is waited for.
    pub expect: Vec<u8>,
}

impl Talk {
    pub(super) async fn run(&self, mut io: Io) -> Result<(), CheckError> {
        io.write_all(&self.send).await?;
        io.flush().await?;
        if self.expect.is_empty() {
            return Ok(());
        }
        let mut seen = BytesMut::new();
        while seen.len() < MAX_ANSWER {
            if io.read_buf(&mut seen).await? == 0 {
                break;
            }
            if memchr::memmem::find(&seen, &self.expect).is_some() {
                return Ok(());
            }
        }
        Err(CheckError::Answer)
    }
}

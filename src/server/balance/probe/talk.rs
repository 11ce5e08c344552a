//! A check of any protocol: bytes that are sent, and bytes that have to come.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CheckError, MAX_ANSWER};
use crate::net::io::Io;

/// What is said in a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// What is sent first; nothing to a backend that speaks first.
    pub send: Vec<u8>,
    /// What the first [`MAX_ANSWER`] bytes of the answer have to contain; if it is empty, no answer is waited for.
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

//! All that a stream is written to, and those who want to leave while nobody reads it.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{Sink, WatchError};
use crate::server::load::signals::Signals;

/// How long whoever reads the media may take when the user wants to leave.
const LEAVING: Duration = Duration::from_secs(2);

/// Sinks that all get the same.
pub(super) struct Outputs {
    open: Vec<Sink>,
    /// Those that could not be written to: they say why when they are closed.
    broken: Vec<Sink>,
    /// Until when they are waited for, since the user wants to leave.
    limit: Option<Instant>,
}

impl Outputs {
    pub(super) fn new(open: Vec<Sink>) -> Self {
        Self { open, broken: Vec::new(), limit: None }
    }

    /// The user wants to leave: whoever does not read has not got long.
    pub(super) fn leave(&mut self) {
        self.limit = Some(Instant::now() + LEAVING);
    }

    /// Writes to all; false if one of them takes nothing any more, or did not take this before the user wanted to leave, or long after `end`.
    pub(super) async fn write(&mut self, bytes: &Bytes, signals: &mut Signals, end: Option<Instant>) -> bool {
        let all = std::mem::take(&mut self.open);
        let count = all.len();
        for mut sink in all {
            let limit = self.limit.or(end.map(|end| end + LEAVING));
            let taken = tokio::select! {
                taken = sink.write(bytes.clone()) => Some(taken),
                () = signals.next() => None,
                () = reached(limit) => None,
            };
            match taken {
                Some(true) => self.open.push(sink),
                Some(false) => self.broken.push(sink),
                None => self.leave(),
            }
        }
        self.open.len() == count
    }

    /// Waits until all is written, or until the user has left.
    ///
    /// # Errors
    /// Something could not be written.
    pub(super) async fn close(self, signals: &mut Signals) -> Result<(), WatchError> {
        for sink in self.open.into_iter().chain(self.broken) {
            let name = sink.name().to_owned();
            tokio::select! {
                closed = sink.close() => closed.map_err(|source| WatchError::Write { name, source })?,
                () = signals.next() => {}
                () = reached(self.limit) => {}
            }
        }
        Ok(())
    }
}

/// Waits for a time that may never come.
async fn reached(limit: Option<Instant>) {
    match limit {
        Some(limit) => sleep_until(limit).await,
        None => pending().await,
    }
}

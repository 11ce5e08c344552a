//! SIGINT and SIGTERM, which ask a command to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals. The first is heard here from the moment this is made; the process no longer ends by them.
#[derive(Debug)]
pub(in crate::server) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to hear them.
    pub(in crate::server) fn hear() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub(in crate::server) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

//! The door behind sockets of its own, as a part of a process.

use std::sync::Arc;

use super::Door;
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::serve::{Arrival, Gate};
use crate::server::RunError;
use crate::server::listening::{self, Accept};
use crate::server::process::Process;

/// The names of the door, as in its lines `listening rtmp ADDR` and `listening rtmps ADDR`.
const NAMES: [&str; 2] = ["rtmp", "rtmps"];

struct Serve {
    door: Door,
    drain: Drain,
}

impl Accept for Serve {
    async fn connection(self: Arc<Self>, arrival: Arrival, clock: Clock) {
        self.door.clone().serve(arrival, clock, self.drain.clone()).await;
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}

impl Door {
    /// Binds these addresses, and puts the door into `process`, behind this gate; with TLS, if that has any.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub(in crate::server) fn prepare(
        &self,
        listen: &[ListenAddr],
        gate: Gate,
        process: &mut Process,
    ) -> Result<(), RunError> {
        let name = NAMES[usize::from(gate.tls().is_some())];
        let serve = Serve { door: self.clone(), drain: process.drain.clone() };
        Ok(listening::beside(name, serve, listen, gate, process)?)
    }
}

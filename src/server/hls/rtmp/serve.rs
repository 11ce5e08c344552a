//! The door behind sockets of its own, as a part of a process.

use std::sync::Arc;

use super::Door;
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::limits::ConnectionLimits;
use crate::net::serve::{Arrival, Gate, GateSettings};
use crate::net::tls::TlsConfig;
use crate::server::RunError;
use crate::server::listening::{self, Accept, Listening};
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
    /// Binds these addresses, and puts the door into `process`; with TLS, if that is given.
    ///
    /// # Errors
    /// An address cannot be listened on, or a file not be read.
    pub fn prepare(
        &self,
        listen: &[ListenAddr],
        tls: Option<TlsConfig>,
        limits: ConnectionLimits,
        process: &mut Process,
    ) -> Result<(), RunError> {
        let name = NAMES[usize::from(tls.is_some())];
        let tls = tls.map(listening::tls).transpose()?;
        let sockets = listening::bind(listen, process.threads)?;
        listening::note(name, &sockets, process);
        let gate = Gate::new(GateSettings { limits, tls, ..GateSettings::default() });
        let serve = Serve { door: self.clone(), drain: process.drain.clone() };
        process.parts.push(Arc::new(Listening::new(serve, gate, sockets)));
        Ok(())
    }
}

//! The door behind sockets of its own, as a part of a process.

use std::sync::Arc;

use super::{Door, SUBPROTOCOLS};
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::limits::ConnectionLimits;
use crate::net::serve::{Arrival, Gate, GateSettings};
use crate::net::tls::TlsConfig;
use crate::server::RunError;
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::listening::{self, Accept, Listening};
use crate::server::process::Process;
use crate::server::ws::{BadSubprotocol, Socket, Upgrade};

/// The names of the door, as in its lines `listening irc ADDR` and `listening ircs ADDR`.
const NAMES: [&str; 2] = ["irc", "ircs"];

struct Serve {
    door: Door,
    drain: Drain,
}

impl Accept for Serve {
    fn connection(self: Arc<Self>, arrival: Arrival, clock: Clock) -> impl Future<Output = ()> + Send {
        self.door.clone().serve(arrival, clock, self.drain.clone())
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}

impl Door {
    /// Serves the WebSockets of a route: those that speak one of the [`SUBPROTOCOLS`].
    ///
    /// # Errors
    /// A subprotocol cannot have such a name.
    pub fn route(&self, upgrade: Upgrade, drain: Drain) -> Result<impl Handler, BadSubprotocol> {
        let upgrade = SUBPROTOCOLS.iter().try_fold(upgrade, |upgrade, name| upgrade.subprotocol(name))?;
        let door = self.clone();
        Ok(move |request: Request| {
            let (door, drain) = (door.clone(), drain.clone());
            std::future::ready(
                upgrade.accept(request, move |socket: Socket| door.serve_socket(socket, drain)),
            )
        })
    }

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

//! The door behind sockets of its own, as a part of a process.

use std::sync::Arc;

use super::{Door, SUBPROTOCOLS};
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::serve::{Arrival, Gate};
use crate::proto::http::list::FieldLines;
use crate::server::RunError;
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::listening::{self, Accept};
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
        let offering = |[first, second]: [&str; 2]| upgrade.clone().subprotocol(first)?.subprotocol(second);
        let [text, binary] = SUBPROTOCOLS;
        let (by_text, by_binary) = (offering([text, binary])?, offering([binary, text])?);
        let door = self.clone();
        Ok(move |request: Request| {
            let (door, drain) = (door.clone(), drain.clone());
            let named = request.head().lines("sec-websocket-protocol");
            let upgrade = if is_binary_first(named) { &by_binary } else { &by_text };
            std::future::ready(
                upgrade.accept(request, move |socket: Socket| door.serve_socket(socket, drain)),
            )
        })
    }

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

/// Whether a client names the subprotocol of binary messages before the other one: what it names first, it prefers (RFC 6455, section 4.1).
fn is_binary_first<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut names = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let known = names.find(|name| SUBPROTOCOLS.iter().any(|known| known.as_bytes() == *name));
    known == Some(SUBPROTOCOLS[1].as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses() {
        let rows: [(&[&str], bool); 6] = [
            (&[], false),
            (&["text.ircv3.net"], false),
            (&["binary.ircv3.net"], true),
            (&["text.ircv3.net, binary.ircv3.net"], false),
            (&["chat, binary.ircv3.net,text.ircv3.net"], true),
            (&["chat", "binary.ircv3.net", "text.ircv3.net"], true),
        ];
        for (lines, expected) in rows {
            assert_eq!(is_binary_first(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
        }
    }
}

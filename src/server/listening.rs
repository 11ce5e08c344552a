//! A server behind its sockets, as a part of a process: bound before anything runs, served on every shard, certificates looked after.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::lines::Writer;
use super::process::{Address, Part, Process, Serving};
use crate::net::addr::{ListenAddr, PeerAddr};
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::listen::{Bound, ListenError, bind_shards};
use crate::net::serve::{self, Arrival, Gate, Preamble};
use crate::net::tls::{ClientAuth, Tls, TlsConfig, TlsError, WATCH_INTERVAL};
use crate::proto::proxy::{self, Addresses, Parsed};

/// Something that serves connections.
pub(super) trait Accept: Send + Sync + 'static {
    /// Serves one connection to its end.
    fn connection(
        self: Arc<Self>,
        arrival: Arrival,
        clock: Clock,
    ) -> impl Future<Output = ()> + Send + 'static;

    /// The shutdown that ends it.
    fn drain(&self) -> &Drain;
}

/// A server with its gate and its sockets.
pub(super) struct Listening<S> {
    pub(super) server: Arc<S>,
    pub(super) gate: Arc<Gate>,
    /// Those of each shard, until it takes them.
    sockets: Mutex<Vec<Vec<Bound>>>,
    /// Where its access log goes.
    lines: Option<Lines>,
}

impl<S: Accept> Listening<S> {
    pub(super) fn new(server: S, gate: Gate, sockets: Vec<Vec<Bound>>) -> Self {
        Self { server: Arc::new(server), gate: Arc::new(gate), sockets: Mutex::new(sockets), lines: None }
    }

    /// Opens these lines anew with the other files, and has the last of them written at the end.
    pub(super) fn logging(self, lines: Option<Arc<Writer>>) -> Self {
        Self { lines: lines.map(Lines), ..self }
    }

    fn take(&self, shard: usize) -> Vec<Bound> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.get_mut(shard).map(std::mem::take).unwrap_or_default()
    }

    /// Looks after the certificates until the drain.
    async fn watch(&self) {
        let Some(tls) = self.gate.tls() else { return };
        tokio::select! {
            () = tls.watch(WATCH_INTERVAL, CancellationToken::new()) => {}
            () = self.server.drain().stopping() => {}
        }
    }
}

impl<S: Accept> Part for Listening<S> {
    fn serve(self: Arc<Self>, shard: usize, clock: Clock) -> Serving {
        let sockets = self.take(shard);
        Box::pin(async move {
            let mut loops = Vec::new();
            for bound in sockets {
                let listener = bound.into_async()?;
                let (server, clock, drain) =
                    (Arc::clone(&self.server), clock.clone(), self.server.drain().clone());
                drain.attach(&clock);
                let accept = move |arrival| Arc::clone(&server).connection(arrival, clock.clone());
                loops.push(serve::serve(listener, Arc::clone(&self.gate), drain, accept));
            }
            let accepting = join_all(loops);
            if shard == 0 {
                tokio::join!(accepting, self.watch());
            } else {
                accepting.await;
            }
            Ok(())
        })
    }

    fn reload(&self) {
        if let Some(lines) = &self.lines {
            lines.0.reopen();
        }
        match self.gate.tls().map(Tls::reload) {
            Some(Ok(())) => tracing::info!("the certificates were read again"),
            Some(Err(error)) => {
                tracing::error!(%error, "the new certificates are bad; the old ones stay in use");
            }
            None => {}
        }
    }
}

/// The lines of an access log, to their end.
#[derive(Debug)]
struct Lines(Arc<Writer>);

impl Drop for Lines {
    fn drop(&mut self) {
        // The last lines are written by a thread that the end of the process would cut off.
        let _ = self.0.flush(FLUSH);
    }
}

/// What the last lines of an access log get to be written.
const FLUSH: Duration = Duration::from_secs(1);

/// The sockets of each shard.
pub(super) fn bind(addresses: &[ListenAddr], shards: usize) -> Result<Vec<Vec<Bound>>, ListenError> {
    let mut sockets: Vec<Vec<Bound>> = (0..shards).map(|_| Vec::new()).collect();
    for address in addresses {
        for (shard, bound) in sockets.iter_mut().zip(bind_shards(address, shards)?) {
            shard.push(bound);
        }
    }
    Ok(sockets)
}

/// Puts what speaks another protocol into `process`, at addresses of its own beside those of the server behind `gate`: what is said of that one's connections, their number, their proxies
/// and their handshakes, holds for these as well.
///
/// # Errors
/// An address cannot be listened on.
pub(super) fn beside<S: Accept>(
    name: &'static str,
    server: S,
    listen: &[ListenAddr],
    gate: Gate,
    process: &mut Process,
) -> Result<(), ListenError> {
    let sockets = bind(listen, process.threads)?;
    note(name, &sockets, process);
    process.parts.push(Arc::new(Listening::new(server, gate, sockets)));
    Ok(())
}

/// A gate beside that of a server with TLS, for another protocol on the same certificates.
///
/// # Errors
/// That server has no TLS, or a file cannot be read.
pub(super) fn beside_tls(gate: &Gate, clients: ClientAuth) -> Result<Gate, TlsError> {
    let tls = gate.tls().ok_or(TlsError::Nothing)?;
    Ok(gate.beside(Some(tls.beside(Vec::new(), clients)?)))
}

/// Notes where the sockets listen; those of the first shard speak for all.
pub(super) fn note(server: &'static str, sockets: &[Vec<Bound>], process: &mut Process) {
    let first = sockets.first().into_iter().flatten();
    process.addresses.extend(first.map(|bound| Address { server, address: bound.local_addr().clone() }));
}

/// TLS, with its files read.
pub(super) fn tls(config: TlsConfig) -> Result<Tls, TlsError> {
    let tls = Tls::new(config)?;
    if let Some(sha256) = tls.fingerprint() {
        tracing::info!(sha256, "made up a certificate for localhost");
    }
    Ok(tls)
}

/// Reads a PROXY header for the gate, which knows no protocol.
pub(super) fn proxy_header(bytes: &[u8]) -> Result<Preamble, Box<dyn StdError + Send + Sync>> {
    Ok(match proxy::parse(bytes)? {
        Parsed::Incomplete { .. } => Preamble::Incomplete,
        Parsed::Complete { consumed, header } => {
            let (client, server) = match header.addresses {
                None => (None, None),
                Some(Addresses::Ip { source, destination }) => (Some(source.into()), Some(destination)),
                Some(Addresses::Unix { .. }) => (Some(PeerAddr::Unix), None),
            };
            Preamble::Complete { consumed, client, server }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_header_names_the_client() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET /";
        for at in 0..line.len() - 5 {
            assert_eq!(proxy_header(&line[..at]).unwrap(), Preamble::Incomplete, "{at}");
        }
        let client = PeerAddr::Ip("192.0.2.1:1000".parse().unwrap());
        let server = Some("192.0.2.2:80".parse().unwrap());
        let complete = Preamble::Complete { consumed: line.len() - 5, client: Some(client), server };
        assert_eq!(proxy_header(line).unwrap(), complete);
        assert!(proxy_header(b"GET / HTTP/1.1\r\n").is_err());
    }
}

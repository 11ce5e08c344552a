//! Connections through the balancer, whatever they speak: each is joined to a connection to a backend.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::backend::Backend;
use super::upstream::Upstream;
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::relay::{Relay, RelayEnd, RelaySettings};
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::pick::{Endpoint, key_of};
use crate::net::serve::Arrival;
use crate::proto::balance::outlier::Outcome;
use crate::proto::proxy::{self, Addresses, Header};
use crate::server::listening::Accept;

/// The PROXY header that a backend gets in front of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary.
    V2,
}

/// What an operator decides about connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How they are joined.
    pub relay: RelaySettings,
    /// The header that the backend gets.
    pub proxy: Option<ProxyHeader>,
}

/// The server of connections.
#[derive(Debug)]
pub struct Tcp {
    upstream: Arc<Upstream>,
    settings: Settings,
    drain: Drain,
}

impl Tcp {
    /// A server that joins connections to those of an upstream.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, settings: Settings, drain: Drain) -> Self {
        Self { upstream, settings, drain }
    }

    async fn serve(self: Arc<Self>, arrival: Arrival, clock: Clock) {
        let Arrival { io, peer, number, place } = arrival;
        let Some((far, backend, under_way)) = self.connect(&io, &peer).await else { return };
        let relay = Relay::new(io.into(), far.into(), clock.timer(), self.settings.relay);
        let relayed = self.drain.unless_aborting(relay.run()).await;
        drop((under_way, place));
        let Some(relayed) = relayed else { return };
        if let RelayEnd::SecondFailed(error) = &relayed.end {
            tracing::debug!(number, backend = %backend.name(), %error, "the backend's connection failed");
        }
    }

    /// A connection to a backend: to the one that is chosen, or to another when that cannot be reached.
    async fn connect(&self, client: &Io, peer: &PeerAddr) -> Option<(Io, Arc<Backend>, Outstanding)> {
        let key = peer.ip().map_or(0, |ip| key_of(ip.to_string().as_bytes()));
        let members = self.upstream.members();
        let mut tried = Vec::new();
        while tried.len() < members.settings().retry.attempts as usize {
            let now = Instant::now();
            let backend = members.choose(key, &tried, now.into_std())?;
            let under_way = backend.load().begin(now.into_std());
            let limit = members.settings().connect_timeout;
            match self.reach(backend, client, peer, limit).await {
                Ok(io) => {
                    let ended = Instant::now();
                    under_way.began(ended.into_std());
                    self.upstream.report(backend, ended.into_std(), Outcome::Answered(ended - now));
                    return Some((io, Arc::clone(backend), under_way));
                }
                Err(error) => {
                    tracing::debug!(backend = %backend.name(), %error, "cannot be reached");
                    let ended = Instant::now().into_std();
                    under_way.failed(ended);
                    self.upstream.report(backend, ended, Outcome::Fault);
                    tried.push(backend.key());
                }
            }
        }
        None
    }

    async fn reach(
        &self,
        backend: &Backend,
        client: &Io,
        peer: &PeerAddr,
        limit: Duration,
    ) -> Result<Io, Box<dyn std::error::Error + Send + Sync>> {
        let mut io = timeout(limit, backend.connect(&[])).await??;
        if let Some(version) = self.settings.proxy {
            let mut header = BytesMut::new();
            let addresses = addresses(client, peer);
            match version {
                ProxyHeader::V1 => proxy::encode_v1(addresses.as_ref(), &mut header),
                ProxyHeader::V2 => {
                    proxy::encode_v2(&Header { addresses, tlvs: Vec::new() }, false, &mut header)?;
                }
            }
            timeout(limit, io.write_all(&header)).await??;
        }
        Ok(io)
    }
}

/// The two ends of the client's connection; `None` when they are not both Internet addresses.
fn addresses(client: &Io, peer: &PeerAddr) -> Option<Addresses> {
    let PeerAddr::Ip(source) = peer else { return None };
    let destination: SocketAddr = match client {
        Io::Tcp(stream) => stream.local_addr().ok()?,
        Io::Tls(stream) => stream.get_ref().0.local_addr().ok()?,
        _ => return None,
    };
    Some(Addresses::Ip { source: *source, destination })
}

impl Accept for Tcp {
    fn connection(
        self: Arc<Self>,
        arrival: Arrival,
        clock: Clock,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.serve(arrival, clock)
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}

//! Connections through the balancer, whatever they speak: each is joined to a connection to a backend.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::backend::Backend;
use super::counters::Event;
use super::log::{End, Log, Note};
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
use crate::server::peer::Peer;

/// The PROXY header that a backend gets in front of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary.
    V2,
}

/// What an operator decides about connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    log: Option<Arc<Log>>,
}

impl Tcp {
    /// A server that joins connections to those of an upstream.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, settings: Settings, drain: Drain) -> Self {
        Self { upstream, settings, drain, log: None }
    }

    /// The same, with a line in `log` for each connection.
    #[must_use]
    pub fn logging(self, log: Option<Arc<Log>>) -> Self {
        Self { log, ..self }
    }

    async fn serve(self: Arc<Self>, arrival: Arrival, clock: Clock) {
        let note = self.log.as_ref().map(|log| Note::of_connection(log, Peer::of(&arrival)));
        let Arrival { io, peer, number, place } = arrival;
        let connected = self.drain.unless_aborting(self.connect(&io, &peer, note.as_ref())).await;
        let Some(Some((far, backend, under_way))) = connected else { return };
        let begun = Instant::now();
        let mut relay = Relay::new(io.into(), far.into(), clock.timer(), self.settings.relay);
        let end = self.drain.unless_aborting(poll_fn(|cx| relay.poll(cx))).await;
        let (there, back) = relay.moved();
        drop((relay, under_way, place));
        if let Some(note) = note {
            note.relayed((there, back), end.as_ref());
        }
        let counters = backend.counters();
        counters.add(Event::Sent, there);
        counters.add(Event::Received, back);
        counters.count(Event::Session);
        counters.add(Event::SessionMillis, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        if let Some(RelayEnd::SecondFailed(error)) = &end {
            counters.count(Event::Cut);
            tracing::debug!(number, backend = %backend.name(), %error, "the backend's connection failed");
        }
    }

    /// A connection to a backend: to the one that is chosen, or to another when that cannot be reached.
    async fn connect(
        &self,
        client: &Io,
        peer: &PeerAddr,
        note: Option<&Note>,
    ) -> Option<(Io, Arc<Backend>, Outstanding)> {
        if let Some(note) = note {
            let mut journey = note.journey();
            journey.upstream = Some(Arc::clone(self.upstream.name()));
            journey.end = Some(End::NoBackend);
        }
        let key = peer.ip().map_or(0, |ip| key_of(ip.to_string().as_bytes()));
        let members = self.upstream.members();
        let mut tried = Vec::new();
        while tried.len() < members.settings().retry.attempts as usize {
            let now = Instant::now();
            let backend = members.choose(key, &tried, now.into_std())?;
            let under_way = backend.begin(now.into_std());
            let limit = members.settings().connect_timeout;
            if let Some(note) = note {
                note.attempt(backend.name(), now);
            }
            match self.reach(backend, client, peer, limit).await {
                Ok(io) => {
                    let ended = Instant::now();
                    under_way.began(ended.into_std());
                    if let Some(note) = note {
                        note.journey().connect = Some(ended - now);
                    }
                    backend.counters().count(Event::Opened);
                    backend.counters().answered_after(ended - now);
                    self.upstream.report(backend, ended.into_std(), Outcome::Answered(ended - now));
                    return Some((io, Arc::clone(backend), under_way));
                }
                Err(error) => {
                    tracing::debug!(backend = %backend.name(), %error, "cannot be reached");
                    let ended = Instant::now().into_std();
                    under_way.failed(ended);
                    let (event, why) = if error.is::<Elapsed>() {
                        (Event::ConnectTimeout, End::BackendConnectTimeout)
                    } else {
                        (Event::ConnectFailed, End::BackendRefused)
                    };
                    backend.counters().count(event);
                    self.upstream.report(backend, ended, Outcome::Fault);
                    tried.push(backend.key());
                    let again = tried.len() < members.settings().retry.attempts as usize;
                    if again {
                        backend.counters().count(Event::Retried);
                    }
                    if let Some(note) = note {
                        note.failed(why, again);
                    }
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

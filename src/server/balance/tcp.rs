//! TCP mode: each connection of a client is joined to a connection to a backend, whatever the protocol.
//!
//! The listener names the upstream. With routes, the upstream is chosen by the ClientHello, which is read for that and
//! forwarded to the backend unchanged.

mod header;
mod hello;
mod trial;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::backend::Backend;
use super::counters::Event;
use super::dial::Way;
use super::lease::Lease;
use super::log::{End, Log, Note};
use super::upstream::Upstream;
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::relay::{Relay, RelayEnd, RelaySettings, Side};
use crate::net::resilience::pick::{Endpoint, key_of_address};
use crate::net::resilience::retry::{self, Call, Decision, Failure, Repeat, Retrying};
use crate::net::serve::Arrival;
use crate::proto::balance::outlier::Outcome;
use crate::proto::balance::tls_route::TlsCondition;
use crate::proto::tls::client_hello::ClientHello;
use crate::server::listening::Accept;
use crate::server::peer::Peer;

pub use self::header::ProxyHeader;
pub use self::hello::HELLO_TIMEOUT;
use self::trial::Trial;

/// How long a connection may be silent, by default: sessions of databases and shells wait for people.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The settings of TCP mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How connections are joined.
    pub relay: RelaySettings,
    /// The PROXY header for the backend.
    pub proxy: Option<ProxyHeader>,
    /// How long a client may take to send its ClientHello, if there are routes.
    pub hello_timeout: Duration,
}

impl Default for Settings {
    /// [`IDLE_TIMEOUT`] and the other defaults of the relay, no PROXY header, and [`HELLO_TIMEOUT`].
    fn default() -> Self {
        let relay = RelaySettings { idle: IDLE_TIMEOUT, ..RelaySettings::default() };
        Self { relay, proxy: None, hello_timeout: HELLO_TIMEOUT }
    }
}

/// The connections of an upstream.
#[derive(Clone, Debug)]
pub struct Route {
    /// Their conditions.
    pub condition: TlsCondition,
    /// Their upstream.
    pub upstream: Arc<Upstream>,
}

/// Where connections go.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// By their ClientHello: the first match is used. Without any, no ClientHello is waited for.
    pub tls: Vec<Route>,
    /// The upstream of all others, and of those that are not TLS. They are closed if it is `None`.
    pub otherwise: Option<Arc<Upstream>>,
}

/// The TCP server.
#[derive(Debug)]
pub struct Tcp {
    routes: Routes,
    settings: Settings,
    drain: Drain,
    log: Option<Arc<Log>>,
}

/// A client, and the first bytes of its connection.
struct Client {
    io: Io,
    peer: PeerAddr,
    /// The address that it has connected to, if a proxy told it.
    server: Option<SocketAddr>,
    hello: Option<ClientHello>,
    unread: BytesMut,
}

impl Tcp {
    /// A server for these routes.
    #[must_use]
    pub fn new(routes: Routes, settings: Settings, drain: Drain) -> Self {
        Self { routes, settings, drain, log: None }
    }

    /// The same, with a line in `log` for each connection.
    #[must_use]
    pub fn logging(self, log: Option<Arc<Log>>) -> Self {
        Self { log, ..self }
    }

    async fn serve(self: Arc<Self>, arrival: Arrival, clock: Clock) {
        let note = self.log.as_ref().map(|log| Note::of_connection(log, Peer::of(&arrival)));
        let Arrival { io, peer, server, number, place } = arrival;
        let mut client = Client { io, peer, server, hello: None, unread: BytesMut::new() };
        let Some(upstream) = self.upstream(&mut client).await else { return };
        let connecting = self.connect(upstream, &client, note.as_ref());
        let Some(Some((far, lease, latency))) = self.drain.unless_aborting(connecting).await else { return };
        let near = Side { io: client.io, unread: client.unread };
        let begun = Instant::now();
        let mut trial = Trial::begun(upstream, lease, latency, &clock);
        let mut relay = Relay::new(near, far.into(), clock.timer(), self.settings.relay);
        let relaying = poll_fn(|cx| {
            let end = relay.poll(cx);
            trial.poll(cx, relay.is_answered());
            end
        });
        let end = self.drain.unless_aborting(relaying).await;
        let (there, back) = relay.moved();
        // Before the client hears of it, who may come again at once.
        let lease = trial.ended(end.as_ref());
        drop((relay, place));
        if let Some(note) = note {
            note.relayed((there, back), end.as_ref());
        }
        let backend = lease.backend();
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

    /// Where a connection goes. With routes, the beginning of what it says is read, unless a shutdown sends it home.
    async fn upstream(&self, client: &mut Client) -> Option<&Arc<Upstream>> {
        let Routes { tls, otherwise } = &self.routes;
        if tls.is_empty() {
            return otherwise.as_ref();
        }
        let opening = tokio::select! {
            opening = Box::pin(hello::read(&mut client.io, self.settings.hello_timeout)) => opening,
            () = self.drain.sending_home() => return None,
        };
        let opening = match opening {
            Ok(opening) => opening,
            Err(error) => {
                tracing::debug!(peer = %client.peer, %error, "closed");
                return None;
            }
        };
        client.unread = opening.bytes;
        let route = match opening.hello {
            Ok(hello) => {
                let route = tls.iter().find(|route| route.condition.holds(&hello));
                client.hello = Some(hello);
                route.map(|route| &route.upstream)
            }
            Err(error) => {
                tracing::debug!(peer = %client.peer, %error, "no ClientHello");
                None
            }
        };
        route.or(otherwise.as_ref())
    }

    /// Connects to a backend: to the one that is chosen, or to another when that cannot be reached. The result has how long connecting took.
    async fn connect(
        &self,
        upstream: &Arc<Upstream>,
        client: &Client,
        note: Option<&Note>,
    ) -> Option<(Io, Lease, Duration)> {
        if let Some(note) = note {
            let mut journey = note.journey();
            journey.upstream = Some(Arc::clone(upstream.name()));
            journey.end = Some(End::NoBackend);
        }
        let key = client.peer.ip().map_or(0, key_of_address);
        let members = upstream.members();
        let settings = members.settings();
        members.budget().deposit(Instant::now().into_std());
        let mut retrying: Option<Retrying> = None;
        let mut tried = Vec::new();
        loop {
            let lease = upstream.acquire(&members, key, &tried, Instant::now().into_std()).await;
            let mut lease = match lease {
                Ok(lease) => lease,
                Err(error) => {
                    tracing::debug!(upstream = %upstream.name(), peer = %client.peer, %error, "closed");
                    if let Some(note) = note {
                        note.end(error.end());
                    }
                    return None;
                }
            };
            let now = Instant::now();
            if let Some(note) = note {
                note.attempt(lease.backend().name(), now);
            }
            let reached = self.reach(lease.backend(), client, settings.connect_timeout).await;
            let ended = Instant::now();
            let error = match reached {
                Ok(io) => {
                    lease.connected(ended.into_std());
                    if let Some(note) = note {
                        note.journey().connect = Some(ended - now);
                    }
                    lease.backend().counters().count(Event::Opened);
                    lease.backend().counters().answered_after(ended - now);
                    if let Some(retrying) = retrying {
                        retrying.succeeded();
                    }
                    return Some((io, lease, ended - now));
                }
                Err(error) => error,
            };
            let backend = Arc::clone(lease.backend());
            tracing::debug!(backend = %backend.name(), %error, "cannot be reached");
            lease.failed(ended.into_std());
            let (event, retried, why) = if error.is::<Elapsed>() {
                (Event::ConnectTimeout, Event::RetriedConnectTimeout, End::BackendConnectTimeout)
            } else {
                (Event::ConnectFailed, Event::RetriedConnect, End::BackendRefused)
            };
            backend.counters().count(event);
            lease.report(upstream, ended.into_std(), Outcome::Fault);
            // Its place is another connection's while this one waits.
            drop(lease);
            tried.push(backend.key());
            let retrying = retrying.get_or_insert_with(|| {
                let call = Call { idempotent: true, deadline: None, seed: fastrand::u64(..) };
                Retrying::begun(retry::Policy { transparent: 0, ..settings.retry }, call, members.budget())
            });
            // Nothing of the client's has been sent.
            let decision = retrying.after(ended.into_std(), Failure::new(Repeat::Safe));
            if let Some(note) = note {
                note.failed(why, matches!(decision, Decision::Retry { .. }));
            }
            let Decision::Retry { wait, .. } = decision else { break };
            backend.counters().count(retried);
            // Another backend is asked at once: it has nothing to recover from.
            if tried.len() >= members.backends().len() {
                tokio::time::sleep(wait).await;
            }
        }
        upstream.note_lost();
        None
    }

    async fn reach(
        &self,
        backend: &Backend,
        client: &Client,
        limit: Duration,
    ) -> Result<Io, Box<dyn std::error::Error + Send + Sync>> {
        let header = self.settings.proxy;
        let header = header.map(|version| {
            let addresses = header::addresses(&client.io, &client.peer, client.server);
            version.write(&client.io, addresses, client.hello.as_ref())
        });
        let header = header.transpose()?.unwrap_or_default();
        let way = Way { header: &header, ..Way::default() };
        Ok(timeout(limit, backend.connect(&way)).await??)
    }
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

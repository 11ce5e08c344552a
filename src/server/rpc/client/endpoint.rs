//! One server that a channel calls: its connection, when there is one, and what is known of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::servers::Shared;
use super::target::Place;
use crate::net::addr::PeerAddr;
use crate::net::client::Target;
use crate::net::io::Io;
use crate::net::resilience::backoff::Backoff;
use crate::net::resilience::breaker::{Breaker, Permit, Refused};
use crate::net::resilience::ewma::{self, Load};
use crate::net::resilience::pick::{self, State, key_of};
use crate::proto::rpc::session::Role;
use crate::server::peer::Peer;
use crate::server::rpc::caller::Caller;
use crate::server::rpc::link::{Link, Parts};
use crate::server::rpc::observe::Watch;

/// A server of a channel.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) place: Place,
    key: u64,
    pub(super) load: Load,
    breaker: Breaker,
    /// There is no other: then it is never left alone, as an attempt that may fail is better than none.
    only: AtomicBool,
    life: Mutex<Life>,
}

/// Where it is in its life.
#[derive(Debug)]
struct Life {
    phase: Phase,
    /// Connections that were begun: an old one that ends has nothing to say of the new one.
    begun: u64,
    backoff: Backoff,
    /// How many connections in a row have ended in good order before they were of any use.
    useless: u32,
    /// Why there was no connection the last time.
    error: Option<Arc<str>>,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Connecting,
    Ready { caller: Caller, since: Instant },
    Failed { until: Instant },
}

impl Life {
    /// A connection that was made at `since` takes no further calls. Whether it is one of too many in a row that did not serve.
    fn is_useless(&mut self, since: Instant, served: bool) -> bool {
        self.useless = if served || is_steady(since) { 0 } else { self.useless.saturating_add(1) };
        self.useless > USELESS
    }

    /// A connection has ended: decides when the next one may be made. Whether that is not at once.
    fn ended(&mut self, since: Instant, served: bool, error: Option<String>) -> bool {
        let useless = self.is_useless(since, served);
        match error {
            Some(error) if !is_steady(since) => self.failed(error.into()),
            None if useless => self.failed(LEAVES.into()),
            _ => {
                if self.useless == 0 {
                    self.backoff.reset();
                }
                self.phase = Phase::Idle;
                return false;
            }
        }
        true
    }

    /// There is no connection, and none is tried for a while.
    fn failed(&mut self, error: Arc<str>) {
        let until = now() + self.backoff.wait();
        self.phase = Phase::Failed { until };
        self.error = Some(error);
    }
}

impl Endpoint {
    pub(super) fn new(place: Place, shared: &Shared, now: Instant) -> Arc<Self> {
        let key = key_of(place.target.to_string().as_bytes());
        let policies = &shared.policies;
        Arc::new(Self {
            place,
            key,
            load: Load::new(ewma::Policy::DEFAULT, now),
            breaker: Breaker::new(policies.breaker, fastrand::u64(..), now),
            only: AtomicBool::new(false),
            life: Mutex::new(Life {
                phase: Phase::Idle,
                begun: 0,
                backoff: Backoff::new(policies.reconnect, fastrand::u64(..)),
                useless: 0,
                error: None,
            }),
        })
    }

    /// Tells whether there is another.
    pub(super) fn set_only(&self, only: bool) {
        self.only.store(only, Ordering::Relaxed);
    }

    /// The right to make a call, if it can be had; it counts what comes of it, unless there is no other endpoint.
    pub(super) fn enter(&self, now: Instant) -> Result<Option<Permit>, Refused> {
        if self.only.load(Ordering::Relaxed) { Ok(None) } else { self.breaker.enter(now).map(Some) }
    }

    /// Who makes calls to it, while it is connected.
    pub(super) fn caller(&self) -> Option<Caller> {
        match &self.life().phase {
            Phase::Ready { caller, .. } if caller.is_open() => Some(caller.clone()),
            _ => None,
        }
    }

    /// Why there was no connection the last time.
    pub(super) fn error(&self) -> Option<Arc<str>> {
        self.life().error.clone()
    }

    /// Begins to connect, unless somebody has.
    pub(super) fn connect(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut life = self.life();
        let may = match life.phase {
            Phase::Idle => true,
            Phase::Failed { until } => until <= now(),
            Phase::Connecting => false,
            Phase::Ready { ref caller, .. } if caller.is_open() => false,
            Phase::Ready { since, ref caller } => {
                let served = caller.has_served();
                if life.is_useless(since, served) {
                    life.failed(LEAVES.into());
                    drop(life);
                    return shared.failed();
                }
                true
            }
        };
        if may {
            life.phase = Phase::Connecting;
            life.begun += 1;
            let number = life.begun;
            drop(life);
            tokio::spawn(Arc::clone(self).live(Arc::clone(shared), number));
        }
    }

    /// From an attempt to connect to the end of the connection.
    async fn live(self: Arc<Self>, shared: Arc<Shared>, number: u64) {
        let connecting = Connecting(&self, &shared, number);
        let io = match shared.dial.connect(&self.place).await {
            Ok(io) => io,
            Err(error) => return self.failed(&shared, &error.to_string()),
        };
        let peer = self.peer(&io, number);
        let (link, caller) = Link::new(Parts {
            io,
            timer: shared.clock.timer(),
            role: Role::Client,
            settings: Arc::clone(&shared.settings),
            serve: Arc::clone(&shared.serve),
            peer: Arc::new(peer),
            drain: shared.drain.clone(),
            place: None,
            watch: Watch::NOBODY,
            lane: None,
        });
        {
            let mut life = self.life();
            life.phase = Phase::Ready { caller, since: now() };
            life.error = None;
        }
        shared.metrics.iter().for_each(|metrics| metrics.connection(true));
        drop(connecting);
        shared.changed.notify_waiters();
        // The connection must not keep its endpoint alive, which keeps the connection alive.
        let (endpoint, channel) = (Arc::downgrade(&self), Arc::downgrade(&shared));
        drop((self, shared));
        let end = link.run().await;
        let Some(endpoint) = endpoint.upgrade() else { return };
        let mut life = endpoint.life();
        let (since, served) = match &life.phase {
            Phase::Ready { since, caller } if life.begun == number => (*since, caller.has_served()),
            _ => return, // there is a newer one, or its end was noticed when it was to be used
        };
        let waits = life.ended(since, served, end.err().map(|error| error.to_string()));
        drop(life);
        if let Some(shared) = channel.upgrade() {
            if waits { shared.failed() } else { shared.changed.notify_waiters() }
        }
    }

    /// Who is at the other end of connection number `number`. Of a stream that has no address, it is that of the target, if it says one.
    fn peer(&self, io: &Io, number: u64) -> Peer {
        let addr = io.peer_addr().unwrap_or_else(|| match &self.place.target {
            Target::Tcp { host, port } => {
                host.parse().map_or(PeerAddr::Unix, |ip| SocketAddr::new(ip, *port).into())
            }
            Target::Unix(_) => PeerAddr::Unix,
        });
        let peer = Peer::new(addr, io.is_tls(), number);
        match io.tls_session() {
            Some(session) => peer.over_tls(session),
            None => peer,
        }
    }

    fn failed(&self, shared: &Shared, error: &str) {
        tracing::debug!(endpoint = %self.place.target, error, "no connection");
        shared.metrics.iter().for_each(|metrics| metrics.connection(false));
        self.life().failed(error.into());
        shared.failed();
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        // Every change is one store.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Tells who should know that there is no connection to an endpoint.
    fn failed(&self) {
        self.discovery.again();
        self.changed.notify_waiters();
    }
}

/// An attempt to connect. If its task is dropped before it has an outcome, others may try; if it panics, after a while.
struct Connecting<'a>(&'a Endpoint, &'a Shared, u64);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        let Self(endpoint, shared, number) = *self;
        let mut life = endpoint.life();
        if life.begun == number && matches!(life.phase, Phase::Connecting) {
            if std::thread::panicking() {
                drop(life);
                return endpoint.failed(shared, "the attempt to connect panicked");
            }
            life.phase = Phase::Idle;
            drop(life);
            shared.changed.notify_waiters();
        }
    }
}

/// How long a connection has to last until its end says nothing against the endpoint.
const STEADY: std::time::Duration = std::time::Duration::from_secs(10);

/// Whether a connection that was made then has lasted.
fn is_steady(since: Instant) -> bool {
    now().saturating_duration_since(since) >= STEADY
}

/// What is said of a server that ends them before they are of use.
const LEAVES: &str = "the server ends connections as soon as they are made";

/// Connections in a row that may end in good order without use, and be followed at once.
const USELESS: u32 = 3;

/// The time, as the resilience parts want it; of the runtime's clock, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl pick::Endpoint for Arc<Endpoint> {
    fn state(&self, now: Instant) -> State {
        let state = match &self.life().phase {
            Phase::Idle => State::Idle,
            Phase::Connecting => State::Connecting,
            Phase::Ready { caller, .. } if caller.is_open() => State::Ready,
            Phase::Ready { .. } => State::Idle, // its server is going away; a new connection may meet another
            Phase::Failed { until } => State::Failed { until: *until },
        };
        if self.only.load(Ordering::Relaxed) { state } else { state.behind(self.breaker.state(now)) }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn outstanding(&self) -> usize {
        self.load.outstanding()
    }

    fn cost(&self, now: Instant) -> f64 {
        self.load.cost(now)
    }
}

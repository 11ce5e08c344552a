//! The client's side: a channel to one or several servers that are alike.
//!
//! A [`Channel`] is never broken: a connection that is lost is made anew, with longer waits from failure to failure; a server that fails
//! is left alone for a while; and a call goes to the quicker of two that are ready. What may be tried again is, within the call's
//! deadline and a budget for all calls.

mod attempt;
mod call;
mod conversation;
mod dial;
mod discovery;
mod endpoint;
mod halves;
mod origin;
mod replay;
mod retriable;
mod target;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::timeout_at;

pub(super) use self::attempt::{Request, deadline_in};
pub use self::call::{Bidi, Call, ClientStream, Reply, ServerStream, Unary};
pub use self::conversation::{Conversation, Receiver, Sender, Upload};
use self::dial::Dial;
use self::discovery::Discovery;
pub use self::discovery::REFRESH;
use self::endpoint::{Endpoint, now};
pub use self::origin::Origin;
pub use self::replay::Replay;
pub(super) use self::retriable::StreamRequest;
use self::target::Place;
pub use self::target::{BadTarget, Target};
use super::Settings;
use super::caller::{Caller, Failure, Reach};
use super::link::Serve;
use super::services::{Services, ServicesError};
use crate::net::client::Connector;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::resilience::pick::{Ask, Choice, P2c, Picker, connectable};
use crate::net::resilience::{backoff, breaker, budget, hedge, retry};
use crate::proto::rpc::status::{Advice, Code, Status};

/// How long a call may take, unless it or its [`Channel`] says otherwise. gRPC has no limit, which every guide warns of.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often endpoints without a connection are looked at while others are ready.
const LOOK: Duration = Duration::from_millis(250);

/// Calls to servers that are alike. Clones are the same channel.
#[derive(Clone, Debug)]
pub struct Channel(Arc<Shared>);

/// What a client does when servers fail.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// Which calls are tried again, how often and when.
    pub retry: retry::Policy,
    /// How many of all calls may be tried again.
    pub budget: budget::Policy,
    /// Whether idempotent calls are sent twice when they take long, and from when on.
    pub hedge: Option<hedge::Policy>,
    /// How much of a request that is a stream is kept, so that the call can be made again.
    pub replay: Replay,
    /// When a server is left alone. One that is the only one never is.
    pub breaker: breaker::Policy,
    /// How long to wait before connecting anew.
    pub reconnect: backoff::Policy,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            retry: retry::Policy::DEFAULT,
            budget: budget::Policy::DEFAULT,
            hedge: None,
            replay: Replay::DEFAULT,
            breaker: breaker::Policy::DEFAULT,
            reconnect: backoff::Policy {
                growth: backoff::Growth::Exponential {
                    first: Duration::from_millis(100),
                    jitter: backoff::Jitter::Equal,
                },
                cap: Duration::from_secs(10),
            },
        }
    }
}

/// What the clones of a channel share.
pub(super) struct Shared {
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    picker: Mutex<P2c>,
    /// When endpoints without a connection were looked at last.
    looked: Mutex<Instant>,
    /// An endpoint is ready, or has failed.
    changed: Notify,
    dial: Dial,
    discovery: Discovery,
    settings: Arc<Settings>,
    serve: Arc<dyn Serve>,
    clock: Clock,
    drain: Drain,
    policies: Policies,
    budget: budget::Budget,
    /// Bytes that calls keep of what they sent.
    replayed: AtomicUsize,
    /// By service and method: as many as the program has.
    hedges: Mutex<HashMap<(u32, u16), hedge::Hedge>>,
    deadline: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("endpoints", &self.endpoints.load().len()).finish_non_exhaustive()
    }
}

/// A channel in the making.
#[derive(Debug)]
pub struct Builder {
    origins: Vec<Origin>,
    refresh: Duration,
    dial: Dial,
    settings: Settings,
    policies: Policies,
    deadline: Duration,
}

impl Channel {
    /// A channel to these servers, which are written as [`Origin`] reads them, to be told what else is wanted.
    ///
    /// # Errors
    /// One of the texts does not say where a server is.
    pub fn to<T: AsRef<str>>(targets: impl IntoIterator<Item = T>) -> Result<Builder, BadTarget> {
        let origins = targets.into_iter().map(|target| target.as_ref().parse());
        Ok(Builder {
            origins: origins.collect::<Result<_, _>>()?,
            refresh: REFRESH,
            dial: Dial::default(),
            settings: Settings::default(),
            policies: Policies::default(),
            deadline: DEADLINE,
        })
    }

    /// Calls other servers from now on. Those that stay keep their connections; calls under way elsewhere go on to their end. Names and files are
    /// not followed any longer.
    pub fn set_targets(&self, targets: impl IntoIterator<Item = Target>) {
        self.0.discovery.fix(&self.0, targets.into_iter().map(Place::from).collect());
    }

    /// An endpoint that is ready now; others than those `tried` if there are any.
    fn ready_now(&self, tried: &[u64], now: Instant) -> Option<(Arc<Endpoint>, Caller)> {
        let endpoints = self.0.endpoints.load();
        // Most channels have one server, and nothing to choose.
        if let [only] = &endpoints[..] {
            return Some((Arc::clone(only), only.caller()?));
        }
        let Choice::Use(place) = self.0.picker().pick(&endpoints[..], &Ask { now, key: 0, tried }) else {
            return None;
        };
        let caller = endpoints[place].caller()?;
        self.look(&endpoints, now);
        Some((Arc::clone(&endpoints[place]), caller))
    }

    /// An endpoint that is ready, if it can be had before `deadline`; others than those `tried` if there are any.
    async fn ready(
        &self,
        tried: &[u64],
        deadline: tokio::time::Instant,
        mut now: Instant,
    ) -> Result<(Arc<Endpoint>, Caller), Failure> {
        let shared = &self.0;
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let endpoints = shared.endpoints.load_full();
            let choice = shared.picker().pick(&endpoints[..], &Ask { now, key: 0, tried });
            let mut until = deadline;
            match choice {
                Choice::Use(place) => {
                    let endpoint = &endpoints[place];
                    let Some(caller) = endpoint.caller() else {
                        now = endpoint::now();
                        continue;
                    };
                    self.look(&endpoints, now);
                    return Ok((Arc::clone(endpoint), caller));
                }
                Choice::Connect(places) => {
                    shared.discovery.revive(shared);
                    places.into_iter().for_each(|place| endpoints[place].connect(shared));
                }
                Choice::Wait => {}
                Choice::Fail(unavailable) if shared.discovery.search(shared) => {
                    // There may be other servers soon; those that are known may be tried again before.
                    let again = unavailable.retry_in.and_then(|wait| now.checked_add(wait));
                    until = again.map_or(deadline, |again| deadline.min(again.into()));
                }
                Choice::Fail(unavailable) => {
                    let error = endpoints
                        .iter()
                        .find_map(|endpoint| Some((&endpoint.place.target, endpoint.error()?)));
                    let text = match error {
                        Some((_, error)) if endpoints.len() == 1 => error.to_string(),
                        Some((target, error)) => format!("{unavailable}; {target}: {error}"),
                        None => shared.discovery.error().unwrap_or_else(|| unavailable.to_string()),
                    };
                    let status = Status::new(Code::Unavailable, text).advice(Advice::NotProcessed);
                    return Err(Failure { status, reach: Reach::Never, attempts: 0 });
                }
            }
            if timeout_at(until, changed).await.is_err() && until == deadline {
                let status = Status::new(Code::DeadlineExceeded, "no connection before the deadline");
                return Err(Failure { status, reach: Reach::Never, attempts: 0 });
            }
            now = endpoint::now();
        }
    }

    /// Connects to those that have no connection, while others are ready: a call should have a choice.
    fn look(&self, endpoints: &[Arc<Endpoint>], now: Instant) {
        if endpoints.len() < 2 {
            return;
        }
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*looked) >= LOOK {
            *looked = now;
            drop(looked);
            connectable(endpoints, now).for_each(|place| endpoints[place].connect(&self.0));
        }
    }
}

impl Shared {
    /// Stores other endpoints. Those that stay are the same.
    fn set_places(&self, places: impl IntoIterator<Item = Place>) {
        let (old, now) = (self.endpoints.load_full(), now());
        let mut known: HashMap<&Place, Arc<Endpoint>> =
            old.iter().map(|endpoint| (&endpoint.place, Arc::clone(endpoint))).collect();
        let (mut seen, mut endpoints) = (HashSet::new(), Vec::new());
        for place in places {
            if seen.insert(place.clone()) {
                let same = known.remove(&place);
                endpoints.push(same.unwrap_or_else(|| Endpoint::new(place, self, now)));
            }
        }
        let only = endpoints.len() == 1;
        endpoints.iter().for_each(|endpoint| endpoint.set_only(only));
        self.endpoints.store(Arc::new(endpoints));
        self.changed.notify_waiters();
    }

    fn picker(&self) -> std::sync::MutexGuard<'_, P2c> {
        // A picker is a few numbers.
        self.picker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Builder {
    /// Connects with this connector, for trust, own certificates and deadlines.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.dial.connector = connector;
        self
    }

    /// Connects by this function, in place of TCP and Unix sockets: through a proxy, within the process, over a simulated network. What
    /// it makes is a socket of tokio's, or [`Io::other`] of any stream. It gets as long as a step of the [`connector`](Self::connector),
    /// whose TLS is spoken over what it makes if that is wanted. See [`Detached`](super::Detached) for the other end.
    #[must_use]
    pub fn dial<F, Fut, S>(mut self, dial: F) -> Self
    where
        F: Fn(Target) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Into<Io>,
    {
        self.dial.by(dial);
        self
    }

    /// Speaks TLS. Unix sockets stay as they are.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.dial.tls = true;
        self
    }

    /// What the connections put up with.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// What to do when servers fail.
    #[must_use]
    pub fn policies(self, policies: Policies) -> Self {
        Self { policies, ..self }
    }

    /// How long a call may take that does not say so itself, in place of [`DEADLINE`].
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How often names are looked up again, in place of [`REFRESH`]; at most once a second.
    #[must_use]
    pub fn refresh(self, refresh: Duration) -> Self {
        Self { refresh, ..self }
    }

    /// The channel. It connects when it is called first.
    #[must_use]
    pub fn lazy(self) -> Channel {
        self.serving(Arc::new(Services::new()))
    }

    /// The channel, whose servers may call back: what they call is answered by `services`.
    ///
    /// # Errors
    /// Two methods or services cannot be told from each other.
    pub fn answering(self, services: Services) -> Result<Channel, ServicesError> {
        Ok(self.serving(Arc::new(services.checked()?)))
    }

    pub(super) fn serving(self, serve: Arc<dyn Serve>) -> Channel {
        let Self { origins, refresh, dial, settings, policies, deadline } = self;
        let (now, clock, drain) = (now(), Clock::new(), Drain::new());
        drain.attach(&clock);
        let (discovery, places) = Discovery::new(origins, refresh);
        let channel = Channel(Arc::new(Shared {
            endpoints: ArcSwap::default(),
            picker: Mutex::new(P2c::new(fastrand::u64(..))),
            looked: Mutex::new(now),
            changed: Notify::new(),
            dial,
            discovery,
            settings: settings.shared(),
            serve,
            clock,
            drain,
            policies,
            budget: budget::Budget::new(policies.budget, now),
            replayed: AtomicUsize::new(0),
            hedges: Mutex::default(),
            deadline,
        }));
        channel.0.set_places(places);
        channel
    }
}

#[cfg(test)]
mod tests;

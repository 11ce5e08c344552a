//! The servers of a channel: which of them gets the next call.
//!
//! They are shared by all clones of a channel. A call that begins takes one that is ready; when none is, it waits for a connection, as long as there can be
//! one before its deadline.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::attempt::is_unknown_there;
use super::dial::Dial;
use super::discovery::Discovery;
use super::endpoint::{self, Endpoint, now};
use super::policies::CallPolicies;
use super::target::Place;
use super::{ClientMetrics, Policies};
use crate::net::client::Target;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::resilience::pick::{Ask, Choice, Endpoint as _, P2c, Picker, connectable};
use crate::net::resilience::{budget, hedge};
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::Settings;
use crate::server::rpc::caller::{Caller, Failure, Reach};
use crate::server::rpc::link::Serve;

/// How often endpoints without a connection are looked at while others are ready.
const LOOK: Duration = Duration::from_millis(250);

/// The endpoints that a call has failed at, by their keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Avoid<'a> {
    /// It gets them again only if there is no other.
    IfPossible(&'a [u64]),
    /// It does not get them again.
    Always(&'a [u64]),
}

impl<'a> Avoid<'a> {
    /// What to do after a failure, if there is anything more to be done.
    pub(super) fn after(failure: &Failure, tried: &'a [u64], servers: &Servers) -> Option<Self> {
        match is_unknown_there(failure) {
            false => Some(Self::IfPossible(tried)),
            true => servers.has_others(tried).then_some(Self::Always(tried)),
        }
    }
}

/// Servers that are alike. Clones are the same.
#[derive(Clone, Debug)]
pub(in super::super) struct Servers(pub(super) Arc<Shared>);

/// What the clones of a channel share.
pub(in super::super) struct Shared {
    pub(super) endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    pub(super) picker: P2c,
    /// When endpoints without a connection were looked at last.
    pub(super) looked: Mutex<Instant>,
    /// An endpoint is ready, or has failed.
    pub(super) changed: Notify,
    pub(super) dial: Dial,
    pub(super) discovery: Discovery,
    pub(super) settings: Arc<Settings>,
    pub(super) serve: Arc<dyn Serve>,
    pub(super) clock: Clock,
    pub(super) drain: Drain,
    pub(super) policies: Policies,
    /// What of them is for single calls, and what is so for some of these.
    pub(super) calls: CallPolicies,
    pub(super) metrics: Option<ClientMetrics>,
    pub(super) budget: budget::Budget,
    /// Bytes that calls keep of what they sent.
    pub(super) replayed: AtomicUsize,
    /// By service and method: as many as the program has.
    pub(super) hedges: Mutex<HashMap<(u32, u16), hedge::Hedge>>,
    pub(super) deadline: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("endpoints", &self.endpoints.load().len()).finish_non_exhaustive()
    }
}

impl Servers {
    /// Calls other servers from now on.
    pub(super) fn set_targets(&self, targets: impl IntoIterator<Item = Target>) {
        self.0.discovery.fix(&self.0, targets.into_iter().map(Place::from).collect());
    }

    /// An endpoint that is ready now.
    pub(super) fn ready_now(&self, avoid: Avoid<'_>, now: Instant) -> Option<(Arc<Endpoint>, Caller)> {
        let Avoid::IfPossible(tried) = avoid else { return None };
        let endpoints = self.0.endpoints.load();
        // Most channels have one server, and nothing to choose.
        if let [only] = &endpoints[..] {
            return Some((Arc::clone(only), only.caller()?));
        }
        let Choice::Use(place) = self.0.picker.pick(&endpoints[..], &Ask { tried, ..Ask::any(now) }) else {
            return None;
        };
        let caller = endpoints[place].caller()?;
        self.look(&endpoints, now);
        Some((Arc::clone(&endpoints[place]), caller))
    }

    /// An endpoint that is ready, if it can be had before `deadline`.
    pub(super) async fn ready(
        &self,
        avoid: Avoid<'_>,
        deadline: tokio::time::Instant,
        mut now: Instant,
    ) -> Result<(Arc<Endpoint>, Caller), Failure> {
        let shared = &self.0;
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let mut endpoints = shared.endpoints.load_full();
            let tried = match avoid {
                Avoid::IfPossible(tried) => tried,
                Avoid::Always(tried) => {
                    let others = endpoints.iter().filter(|endpoint| !tried.contains(&endpoint.key()));
                    endpoints = Arc::new(others.cloned().collect());
                    &[]
                }
            };
            let choice = shared.picker.pick(&endpoints[..], &Ask { tried, ..Ask::any(now) });
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

    /// Whether there is an endpoint that was not tried.
    pub(super) fn has_others(&self, tried: &[u64]) -> bool {
        self.0.endpoints.load().iter().any(|endpoint| !tried.contains(&endpoint.key()))
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
    pub(super) fn set_places(&self, places: impl IntoIterator<Item = Place>) {
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
}

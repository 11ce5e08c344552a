//! An upstream: a group of interchangeable backends, and which of them gets the next request.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::agent::AgentProbe;
use super::backend::{self, Backend, Origin};
use super::check::Checks;
use super::counters::Event;
use super::discovery::Discovery;
use super::lease::{Lease, Line, QUEUE, QUEUE_TIMEOUT, Refusal};
use crate::net::client::Target;
use crate::net::resilience::budget::{self, Budget};
use crate::net::resilience::pick::pools::{self, Plan, Pools, Standing};
use crate::net::resilience::pick::{Algorithm, AnyPicker, Ask, Bound, Endpoint, Setup, Total};
use crate::net::resilience::retry;
use crate::proto::balance::health::Initial;
use crate::proto::balance::outlier::{self, Ejections, Group, Outcome, Reason};

/// The settings of an upstream.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The algorithm that chooses a backend.
    pub algorithm: Algorithm,
    /// The seed of hashes; the same on all balancers that should choose alike.
    pub seed: u64,
    /// When the next pool is used, and when all backends are.
    pub pools: pools::Policy,
    /// When a backend is ejected.
    pub outlier: outlier::Policy,
    /// How often a request is tried.
    pub retry: retry::Policy,
    /// How many requests may be retried, all together.
    pub budget: budget::Policy,
    /// The time limit of connecting.
    pub connect_timeout: Duration,
    /// The length of the queue.
    pub queue: usize,
    /// The time limit in the queue.
    pub queue_timeout: Duration,
    /// Bounded load: how far above its share a backend may get, with hashing algorithms.
    pub bound: Option<Bound>,
    /// How they are checked, if they are.
    pub checks: Option<Checks>,
    /// How agents are asked, if there are any.
    pub agent: Option<AgentProbe>,
    /// Where further backends are discovered.
    pub discovery: Option<Arc<Discovery>>,
    /// What a backend that an operator adds is made of, but for its address, weight and priority.
    pub template: Arc<backend::Setup>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::P2c,
            seed: 0,
            pools: pools::Policy::default(),
            outlier: outlier::Policy::DEFAULT,
            retry: retry::Policy::DEFAULT,
            budget: budget::Policy::DEFAULT,
            connect_timeout: Duration::from_secs(5),
            queue: QUEUE,
            queue_timeout: QUEUE_TIMEOUT,
            bound: None,
            checks: None,
            agent: None,
            discovery: None,
            template: Arc::new(backend::Setup::new(Target::Tcp { host: String::new(), port: 0 })),
        }
    }
}

/// An upstream. It keeps its identity while its members and settings change.
#[derive(Debug)]
pub struct Upstream {
    name: Arc<str>,
    line: Arc<Line>,
    /// Locked while the members are replaced.
    changing: Mutex<()>,
    changed: watch::Sender<()>,
    /// Notified when no backend can be reached, so that they are discovered again.
    lost: Notify,
}

/// The backends of an upstream and their settings, at one moment.
#[derive(Debug)]
pub struct Members {
    /// In the order of their priority.
    backends: Vec<Arc<Backend>>,
    /// The keys of the backends in order, and their places.
    keys: Vec<(u64, usize)>,
    pools: Pools<AnyPicker>,
    ejections: Arc<Mutex<Ejections>>,
    budget: Budget,
    settings: Settings,
    /// Whether a backend has a limit.
    limited: bool,
    /// The requests in progress and the weight of the backends that can take more, if bounded load needs them.
    counted: Option<(Arc<AtomicU64>, AtomicU64)>,
}

impl Members {
    fn new(mut backends: Vec<Arc<Backend>>, settings: Settings, before: Option<&Self>, now: Instant) -> Self {
        backends.sort_by_key(|backend| backend.setup().priority);
        let setup = || Setup { chance: fastrand::u64(..), seed: settings.seed, bound: settings.bound };
        let picker = || settings.algorithm.picker(setup());
        let pools = Pools::new(settings.pools, &backends, |backend| backend.setup().priority, picker);
        let before =
            |same: fn(&Settings, &Settings) -> bool| before.filter(|it| same(&it.settings, &settings));
        // Those who are ejected stay so for their time, and count, whatever the rules are from now on.
        let ejections = match before(|_, _| true) {
            Some(before) => {
                let stay: HashSet<_> = backends.iter().map(Endpoint::key).collect();
                let mut ejections = lock(&before.ejections);
                ejections.retain(|key| stay.contains(&key));
                ejections.set_policy(settings.outlier);
                drop(ejections);
                Arc::clone(&before.ejections)
            }
            None => Arc::new(Mutex::new(Ejections::new(settings.outlier))),
        };
        let budget = before(|a, b| a.budget == b.budget)
            .map_or_else(|| Budget::new(settings.budget, now), |before| before.budget.clone());
        let limited = backends.iter().any(|backend| backend.limit().is_some());
        let calls = before(|_, _| true).and_then(|before| before.counted.as_ref());
        let calls = settings.bound.map(|_| calls.map(|(calls, _)| Arc::clone(calls)).unwrap_or_default());
        let counted = calls.map(|calls| (calls, AtomicU64::new(0)));
        let mut keys: Vec<_> = backends.iter().map(Endpoint::key).zip(0..).collect();
        keys.sort_unstable();
        Self { backends, keys, pools, ejections, budget, settings, limited, counted }
    }

    /// Whether a backend has a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Whether a backend could take a call if it had not as many as it may have. In a panic that holds for those that are down, too.
    pub(super) fn has_full(&self, now: Instant) -> bool {
        let panic = matches!(self.plan(), Plan::Panic(_));
        self.backends.iter().any(|backend| match backend.standing(now) {
            Standing::Full => true,
            Standing::Unavailable => panic && backend.is_full(),
            Standing::Available | Standing::Leaving => false,
        })
    }

    /// Where requests in progress are counted, if they are.
    pub(super) fn counted(&self) -> Option<&Arc<AtomicU64>> {
        self.counted.as_ref().map(|(calls, _)| calls)
    }

    /// The measures of bounded load.
    fn total(&self) -> Option<Total> {
        let (calls, weight) = self.counted.as_ref()?;
        Some(Total { calls: calls.load(Ordering::Relaxed), weight: weight.load(Ordering::Relaxed) })
    }

    /// Decides which pool is used.
    fn refresh(&self, now: Instant) -> Plan {
        let plan = self.pools.refresh(&self.backends, |backend| backend.standing(now));
        if let Some((_, weight)) = &self.counted {
            let takes = |backend: &&Arc<Backend>| match plan {
                Plan::Panic(_) => backend.standing(now) != Standing::Leaving,
                _ => matches!(backend.standing(now), Standing::Available | Standing::Full),
            };
            weight.store(
                Total::of(self.pools.used(&self.backends).iter().filter(takes)).weight,
                Ordering::Relaxed,
            );
        }
        plan
    }

    /// The backends, in the order of their priority.
    #[must_use]
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The retry budget.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The plan of pools.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.pools.plan()
    }

    /// Chooses a backend. `key` is the hash key; backends in `tried` are chosen only if no other is available.
    #[must_use]
    pub fn choose(&self, key: u64, tried: &[u64], now: Instant) -> Option<&Arc<Backend>> {
        let ask = Ask { now, key, tried, total: self.total() };
        let place = self.pools.choose(&self.backends, &ask, |backend| backend.standing(now))?;
        self.backends.get(place)
    }

    /// The backend with this key, if it can go on with a session that it has: when it drains, too, but not when it is down, by whoever's word, or ejected.
    #[must_use]
    pub fn of_session(&self, key: u64, now: Instant) -> Option<&Arc<Backend>> {
        self.of_key(key).filter(|backend| backend.vitals().keeps_sessions(now))
    }

    /// The backend with this key.
    fn of_key(&self, key: u64) -> Option<&Arc<Backend>> {
        let found = self.keys.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.backends.get(self.keys.get(found)?.1)
    }

    fn group(&self, now: Instant) -> Group {
        let mut group = Group { members: 0, available: 0 };
        for backend in &self.backends {
            let standing = backend.standing(now);
            group.members += usize::from(standing != Standing::Leaving);
            group.available += usize::from(matches!(standing, Standing::Available | Standing::Full));
        }
        group
    }
}

/// There is no backend of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown backend {0}")]
pub struct NoBackend(pub String);

impl Upstream {
    /// The upstream of these backends.
    #[must_use]
    pub fn new(name: &str, backends: Vec<Arc<Backend>>, settings: Settings, now: Instant) -> Self {
        let line = Arc::new(Line::new(Members::new(backends, settings, None, now)));
        let this = Self {
            name: name.into(),
            line,
            changing: Mutex::new(()),
            changed: watch::Sender::new(()),
            lost: Notify::new(),
        };
        this.refresh(now);
        this
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its backends and settings at present. A request uses one snapshot from its beginning to its end.
    #[must_use]
    pub fn members(&self) -> Arc<Members> {
        self.line.members.load_full()
    }

    /// Records that no backend could be reached, or that none is healthy: if they are discovered, it is time to look again.
    pub fn note_lost(&self) {
        self.lost.notify_one();
    }

    /// Resolves when that was recorded since the last time.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Notifies of every change of its members.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Uses its backends by other settings from now on. Those that operators have added are made anew by the template.
    pub fn configure(&self, settings: Settings, now: Instant) {
        self.change(now, |members| {
            let fitted = members.backends.iter().map(|backend| match backend.setup().origin {
                Origin::Operator => {
                    let setup = backend.setup().like(&settings.template);
                    Arc::new(Backend::succeeding(backend, setup, now))
                }
                Origin::Configured | Origin::Discovered => Arc::clone(backend),
            });
            (fitted.collect(), settings)
        });
    }

    /// Replaces all backends of an `origin`. Those that existed before keep their state; of those with several
    /// origins, the first of [`Origin`] counts. New ones with health checks are checked before they get requests.
    pub fn replace(&self, origin: Origin, setups: Vec<backend::Setup>, now: Instant) {
        self.change(now, |members| (members.with(origin, setups, now), members.settings.clone()));
    }

    /// Replaces all backends that were discovered by these, if that is still how they are found. It is done on a thread that may take its time: a picker of
    /// thousands of backends has a large table.
    pub(super) async fn found(
        self: &Arc<Self>,
        by: &Arc<Discovery>,
        setups: Vec<backend::Setup>,
        now: Instant,
    ) {
        let (this, by) = (Arc::clone(self), Arc::clone(by));
        let done = tokio::task::spawn_blocking(move || {
            this.change(now, |members| {
                let goes_on = members.settings.discovery.as_ref().is_some_and(|it| Arc::ptr_eq(it, &by));
                let backends = match goes_on {
                    true => members.with(Origin::Discovered, setups, now),
                    false => members.backends.clone(),
                };
                (backends, members.settings.clone())
            });
        });
        if done.await.is_err() {
            tracing::error!(upstream = %self.name, "the backends that were found are not in use");
        }
    }

    /// Changes the weight of a backend until its configured weight changes.
    ///
    /// # Errors
    /// There is no backend of this name.
    pub fn set_weight(&self, name: &str, weight: u32, now: Instant) -> Result<(), NoBackend> {
        self.find(name)?;
        self.change(now, |members| {
            let weighed = members.backends.iter().map(|backend| match &**backend.name() {
                this if this == name => Arc::new(backend.weighing(weight)),
                _ => Arc::clone(backend),
            });
            (weighed.collect(), members.settings.clone())
        });
        Ok(())
    }

    /// Removes a backend until its origin names it again. Requests in progress there are completed.
    ///
    /// # Errors
    /// There is no backend of this name.
    pub fn remove(&self, name: &str, now: Instant) -> Result<(), NoBackend> {
        self.find(name)?;
        self.change(now, |members| {
            let left = members.backends.iter().filter(|backend| &**backend.name() != name);
            (left.map(Arc::clone).collect(), members.settings.clone())
        });
        Ok(())
    }

    /// The backend of this name.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn find(&self, name: &str) -> Result<Arc<Backend>, NoBackend> {
        let members = self.members();
        let found = members.backends.iter().find(|backend| &**backend.name() == name);
        found.map(Arc::clone).ok_or_else(|| NoBackend(name.into()))
    }

    fn change(&self, now: Instant, other: impl FnOnce(&Members) -> (Vec<Arc<Backend>>, Settings)) {
        let changing = lock(&self.changing);
        let before = self.line.members.load();
        let (backends, settings) = other(&before);
        self.line.members.store(Arc::new(Members::new(backends, settings, Some(&before), now)));
        drop(changing);
        self.refresh(now);
        self.changed.send_replace(());
    }

    /// Chooses a backend of these members or, when all have reached their limits, waits in the queue. May be dropped at any time.
    ///
    /// # Errors
    /// No backend became available.
    pub async fn acquire(
        &self,
        members: &Members,
        key: u64,
        tried: &[u64],
        now: Instant,
    ) -> Result<Lease, Refusal> {
        self.line.acquire(members, key, tried, now).await
    }

    /// The backend of a client's session, at once or after waiting in the queue. `None` if it cannot continue the session, as it is
    /// down, ejected or gone: then another must be [acquired](Self::acquire). May be dropped at any time.
    pub async fn resume(
        &self,
        members: &Members,
        session: u64,
        key: u64,
        now: Instant,
    ) -> Option<Result<Lease, Refusal>> {
        self.line.resume(members, session, key, now).await
    }

    /// The number of waiting requests.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.waiting()
    }

    /// Records how a request to a backend ended. The backend is ejected if it failed too often, unless the cap forbids it.
    pub fn report(&self, backend: &Arc<Backend>, now: Instant, outcome: Outcome) {
        if let Some(reason) = backend.vitals().report(now, outcome)
            && self.eject(backend, reason, now)
        {
            self.refresh(now);
        }
    }

    /// Ejects backends that are far slower than the others, if there is a rule for it. To be called about once a second.
    pub fn eject_laggards(&self, now: Instant) {
        let members = self.members();
        let policy = members.settings.outlier;
        let judged = |backend: &&Arc<Backend>| {
            backend.standing(now) != Standing::Leaving && !backend.vitals().is_ejected(now)
        };
        if policy.lag == 0 {
            return;
        }
        let group = members.backends.iter().filter(judged);
        let group: Vec<_> = group.map(|backend| (backend.key(), backend.vitals().stats(now))).collect();
        let mut ejected = false;
        for key in outlier::laggards(&policy, &group) {
            if let Some(backend) = members.backends.iter().find(|backend| backend.key() == key) {
                ejected |= self.eject(backend, Reason::Lag, now);
                backend.vitals().forget(now);
            }
        }
        if ejected {
            self.refresh(now);
        }
    }

    /// Ejects a backend unless the cap forbids it; returns whether it is ejected.
    fn eject(&self, backend: &Arc<Backend>, reason: Reason, now: Instant) -> bool {
        let members = self.members();
        let ejected = lock(&members.ejections).eject(backend.key(), now, members.group(now));
        match ejected {
            Ok(until) => {
                backend.vitals().eject(until);
                backend.counters().count(Event::of_ejection(reason));
                let time = until.saturating_duration_since(now);
                tracing::warn!(upstream = %self.name, backend = %backend.name(), reason = reason.name(), ?time, "ejected");
                true
            }
            Err(spared) => {
                tracing::debug!(upstream = %self.name, backend = %backend.name(), reason = reason.name(), %spared, "not ejected");
                false
            }
        }
    }

    /// Decides which pool is used after a backend was added, removed, or changed its condition.
    pub fn refresh(&self, now: Instant) {
        let members = self.line.members.load();
        let before = members.pools.plan();
        let plan = members.refresh(now);
        // Also without limits: calls may wait from a time when there were some.
        self.line.look();
        match plan {
            _ if plan == before => return,
            Plan::Use(0) => tracing::info!(upstream = %self.name, "the first pool is used"),
            Plan::Use(pool) => tracing::warn!(upstream = %self.name, pool, "a backup pool is used"),
            Plan::Panic(pool) => {
                tracing::error!(upstream = %self.name, pool, "too few backends are available: panic, all of them are used");
            }
            Plan::Nobody => tracing::error!(upstream = %self.name, "no backend is available"),
        }
        if matches!(plan, Plan::Panic(_) | Plan::Nobody) {
            self.note_lost();
        }
    }
}

impl Members {
    /// These backends of an `origin`, and those of others.
    fn with(&self, origin: Origin, setups: Vec<backend::Setup>, now: Instant) -> Vec<Arc<Backend>> {
        let others = self.backends.iter().filter(|backend| backend.setup().origin != origin).map(Arc::clone);
        let named = setups.into_iter().map(|setup| self.take_over(backend::Setup { origin, ..setup }, now));
        let mut all: Vec<_> = named.chain(others).collect();
        all.sort_by_key(|backend| backend.setup().origin);
        let mut seen = HashSet::new();
        all.retain(|backend| seen.insert(backend.key()));
        all
    }

    /// The backend of a setup: the successor of the one with its address, or a new one.
    fn take_over(&self, mut setup: backend::Setup, now: Instant) -> Arc<Backend> {
        let before = self.of_key(backend::key_of_target(&setup.target));
        if let Some(before) = before.filter(|before| before.setup().target == setup.target) {
            return Arc::new(Backend::succeeding(before, setup, now));
        }
        if let Some(checks) = &mut setup.checks
            && checks.initial == Initial::Up
        {
            checks.initial = Initial::Unknown;
        }
        Arc::new(Backend::new(setup, now, fastrand::f64()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::vitals::{Admin, AgentState};
    use super::*;
    use crate::net::resilience::pick;
    use crate::proto::balance::health;

    fn backends(now: Instant, priorities: &[u32]) -> Vec<Arc<Backend>> {
        let made = priorities.iter().enumerate().map(|(number, priority)| {
            let target = format!("127.0.0.1:{}", 9000 + number).parse().unwrap();
            let setup = backend::Setup { priority: *priority, ..backend::Setup::new(target) };
            Arc::new(Backend::new(setup, now, 0.5))
        });
        made.collect()
    }

    fn chosen(upstream: &Upstream, now: Instant) -> Vec<usize> {
        let members = upstream.members();
        let mut count = vec![0; members.backends().len()];
        for key in 0..1000 {
            let found = members.choose(key, &[], now).unwrap();
            let place = members.backends().iter().position(|backend| Arc::ptr_eq(backend, found)).unwrap();
            count[place] += 1;
        }
        count
    }

    #[test]
    fn a_backend_that_fails_is_left_alone_and_comes_back() {
        let now = Instant::now();
        let upstream = Upstream::new("web", backends(now, &[0, 0, 0]), Settings::default(), now);
        let first = Arc::clone(&upstream.members().backends()[0]);
        for _ in 0..upstream.members().settings().outlier.faults {
            assert!(!first.vitals().is_ejected(now));
            upstream.report(&first, now, Outcome::Fault);
        }
        assert!(first.vitals().is_ejected(now));
        assert_eq!(chosen(&upstream, now)[0], 0);
        let later = now + upstream.members().settings().outlier.time + Duration::from_millis(2);
        upstream.refresh(later);
        assert!(chosen(&upstream, later)[0] > 0);
    }

    #[test]
    fn a_backup_waits_until_the_others_leave() {
        let now = Instant::now();
        let upstream = Upstream::new("web", backends(now, &[1, 0]), Settings::default(), now);
        assert_eq!(
            upstream.members().backends()[1].name().as_ref(),
            "127.0.0.1:9000",
            "in the order of priority"
        );
        assert_eq!(chosen(&upstream, now), [1000, 0]);
        upstream.members().backends()[0].vitals().set_admin(Admin::Drain);
        upstream.refresh(now);
        assert_eq!(chosen(&upstream, now), [0, 1000]);
    }

    #[test]
    fn a_session_stays_while_its_backend_drains_and_moves_when_it_is_gone() {
        let now = Instant::now();
        let upstream = Upstream::new("web", backends(now, &[0, 0, 0]), Settings::default(), now);
        let members = upstream.members();
        for backend in members.backends() {
            assert!(Arc::ptr_eq(members.of_session(backend.key(), now).unwrap(), backend));
        }
        assert!(members.of_session(0, now).is_none());
        let first = Arc::clone(&members.backends()[0]);
        first.vitals().set_admin(Admin::Drain);
        assert!(members.of_session(first.key(), now).is_some(), "it finishes what it has");
        first.vitals().eject(now + Duration::from_secs(1));
        assert!(members.of_session(first.key(), now).is_none());
        let later = now + Duration::from_secs(2);
        assert!(members.of_session(first.key(), later).is_some());
        first.vitals().set_admin(Admin::Down);
        assert!(members.of_session(first.key(), later).is_none(), "an operator says that it is down");
        first.vitals().set_admin(Admin::Ready);
        first.vitals().set_agent(AgentState { up: false, ..AgentState::default() });
        assert!(members.of_session(first.key(), later).is_none(), "its agent says so");
        first.vitals().set_agent(AgentState { ready: false, ..AgentState::default() });
        assert!(members.of_session(first.key(), later).is_some(), "its agent lets it drain");
        upstream.replace(Origin::Configured, Vec::new(), now);
        assert!(upstream.members().of_session(first.key(), now).is_none());
    }

    #[test]
    fn without_backends_nobody_is_chosen() {
        let now = Instant::now();
        let upstream = Upstream::new("none", Vec::new(), Settings::default(), now);
        assert!(upstream.members().choose(0, &[], now).is_none());
        let upstream = Upstream::new("one", backends(now, &[0]), Settings::default(), now);
        upstream.members().backends()[0].vitals().set_admin(Admin::Drain);
        upstream.refresh(now);
        assert!(upstream.members().choose(0, &[], now).is_none(), "who drains gets nothing new");
    }

    fn setup(address: &str, weight: u32) -> backend::Setup {
        let checks = Some(health::Policy::DEFAULT);
        backend::Setup { weight, checks, ..backend::Setup::new(address.parse().unwrap()) }
    }

    fn weights(upstream: &Upstream) -> Vec<(String, u32)> {
        let members = upstream.members();
        let row = |backend: &Arc<Backend>| (backend.name().to_string(), backend.weight());
        members.backends().iter().map(row).collect()
    }

    #[test]
    fn what_is_known_of_a_backend_survives_its_configuration() {
        let now = Instant::now();
        let upstream = Upstream::new("web", Vec::new(), Settings::default(), now);
        let mut changes = upstream.changes();
        upstream.replace(Origin::Configured, vec![setup("10.0.0.1:80", 1), setup("10.0.0.2:80", 1)], now);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let first = upstream.find("10.0.0.1:80").unwrap();
        assert!(!first.vitals().is_up(), "a backend that comes later is checked first");
        first.vitals().set_admin(Admin::Drain);
        let under_way = first.load().begin(now);
        upstream.replace(Origin::Configured, vec![setup("10.0.0.3:80", 1), setup("10.0.0.1:80", 5)], now);
        assert!(changes.has_changed().unwrap());
        let after = upstream.find("10.0.0.1:80").unwrap();
        assert!(Arc::ptr_eq(first.vitals(), after.vitals()) && after.is_reached_as(&first));
        assert_eq!((after.weight(), after.load().outstanding()), (5, 1));
        assert_eq!(after.vitals().admin(), Admin::Drain);
        drop(under_way);
        assert_eq!(upstream.find("10.0.0.2:80").unwrap_err(), NoBackend("10.0.0.2:80".into()));
    }

    #[test]
    fn the_weight_of_an_operator_stays_until_the_configured_one_changes() {
        let now = Instant::now();
        let upstream = Upstream::new("web", Vec::new(), Settings::default(), now);
        let configured = |weight| vec![setup("10.0.0.1:80", weight)];
        upstream.replace(Origin::Configured, configured(3), now);
        upstream.set_weight("10.0.0.1:80", 7, now).unwrap();
        for (file, expected) in [(3, 7), (3, 7), (4, 4), (3, 3)] {
            upstream.replace(Origin::Configured, configured(file), now);
            assert_eq!(weights(&upstream), [("10.0.0.1:80".to_owned(), expected)], "{file}");
        }
        assert!(upstream.set_weight("nobody:80", 1, now).is_err());
    }

    #[test]
    fn who_is_ejected_counts_whatever_the_rules_are_now() {
        let now = Instant::now();
        let upstream = Upstream::new("web", backends(now, &[0, 0, 0, 0]), Settings::default(), now);
        let members = upstream.members();
        let fail = |place: usize| {
            let backend = &members.backends()[place];
            (0..outlier::Policy::DEFAULT.faults).for_each(|_| upstream.report(backend, now, Outcome::Fault));
            backend.vitals().is_ejected(now)
        };
        assert!(fail(0));
        let outlier = outlier::Policy { most: 25, ..outlier::Policy::DEFAULT };
        upstream.configure(Settings { outlier, ..Settings::default() }, now);
        assert!(!fail(1), "a quarter is ejected already");
        upstream.configure(Settings::default(), now);
        assert!(fail(2) && !fail(3), "half of them may be");
    }

    #[test]
    fn backends_of_operators_follow_the_configuration() {
        let now = Instant::now();
        let template = |checks, slow: u64| {
            let slow_start = pick::SlowStart { window: Duration::from_secs(slow), least: 10 };
            let target = "nowhere:1".parse().unwrap();
            let template = backend::Setup { checks, slow_start, weight: 9, ..backend::Setup::new(target) };
            Settings { template: Arc::new(template), ..Settings::default() }
        };
        let checked = template(Some(health::Policy::DEFAULT), 0);
        let upstream = Upstream::new("web", Vec::new(), checked, now);
        let added = setup("10.0.0.1:80", 3).like(&upstream.members().settings().template);
        upstream.replace(Origin::Operator, vec![added], now);
        assert!(!upstream.find("10.0.0.1:80").unwrap().vitals().is_up(), "it was not checked yet");
        upstream.configure(template(None, 5), now);
        let backend = upstream.find("10.0.0.1:80").unwrap();
        assert!(backend.vitals().is_up(), "nobody would find out any more");
        assert_eq!((backend.weight(), backend.setup().slow_start.window.as_secs()), (3, 5));
        assert_eq!(backend.setup().origin, Origin::Operator);
    }

    #[test]
    fn each_origin_has_backends_of_its_own() {
        let now = Instant::now();
        let upstream = Upstream::new("web", Vec::new(), Settings::default(), now);
        upstream.replace(Origin::Operator, vec![setup("10.0.0.9:80", 9)], now);
        upstream.replace(Origin::Discovered, vec![setup("10.0.0.1:80", 2), setup("10.0.0.2:80", 2)], now);
        upstream.replace(Origin::Configured, vec![setup("10.0.0.1:80", 1)], now);
        let row = |name: &str, weight| (name.to_owned(), weight);
        assert_eq!(weights(&upstream), [row("10.0.0.1:80", 1), row("10.0.0.2:80", 2), row("10.0.0.9:80", 9)]);
        upstream.replace(Origin::Discovered, Vec::new(), now);
        assert_eq!(weights(&upstream), [row("10.0.0.1:80", 1), row("10.0.0.9:80", 9)]);
        upstream.remove("10.0.0.9:80", now).unwrap();
        assert_eq!(weights(&upstream), [row("10.0.0.1:80", 1)]);
        assert!(upstream.remove("10.0.0.9:80", now).is_err());
    }
}

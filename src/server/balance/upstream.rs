//! Backends that are alike, and which of them gets the next call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::backend::Backend;
use crate::net::resilience::budget::{self, Budget};
use crate::net::resilience::pick::pools::{self, Plan, Pools, Standing};
use crate::net::resilience::pick::{Algorithm, AnyPicker, Ask, Setup};
use crate::net::resilience::retry;
use crate::proto::balance::outlier::{self, Ejections, Group, Outcome};

/// How the backends of an upstream are used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How one is chosen.
    pub algorithm: Algorithm,
    /// What the hashes begin with; the same on all balancers that are to choose alike.
    pub seed: u64,
    /// When the next pool is used, and when all are.
    pub pools: pools::Policy,
    /// When a backend is ejected.
    pub outlier: outlier::Policy,
    /// How often a call is tried.
    pub retry: retry::Policy,
    /// How many calls may be tried again.
    pub budget: budget::Policy,
    /// What a connection to a backend may take until it stands.
    pub connect_timeout: Duration,
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
        }
    }
}

/// Backends that are alike.
#[derive(Debug)]
pub struct Upstream {
    name: Arc<str>,
    /// In the order of their priority.
    backends: Vec<Arc<Backend>>,
    pools: Pools<AnyPicker>,
    ejections: Mutex<Ejections>,
    budget: Budget,
    settings: Settings,
}

impl Upstream {
    /// The upstream of these backends.
    #[must_use]
    pub fn new(name: &str, mut backends: Vec<Arc<Backend>>, settings: Settings, now: Instant) -> Self {
        backends.sort_by_key(|backend| backend.priority());
        let setup = || Setup { chance: fastrand::u64(..), seed: settings.seed, bound: None };
        let picker = || settings.algorithm.picker(setup());
        let pools = Pools::new(settings.pools, &backends, |backend| backend.priority(), picker);
        let this = Self {
            name: name.into(),
            backends,
            pools,
            ejections: Mutex::new(Ejections::new(settings.outlier)),
            budget: Budget::new(settings.budget, now),
            settings,
        };
        this.refresh(now);
        this
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its backends, in the order of their priority.
    #[must_use]
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// How its backends are used.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many calls may be tried again.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The backend for a call. `key` is what hashes go by; those in `tried` get it only if no other can.
    #[must_use]
    pub fn choose(&self, key: u64, tried: &[u64], now: Instant) -> Option<&Arc<Backend>> {
        let ask = Ask { now, key, tried, total: None };
        let place = self.pools.choose(&self.backends, &ask, |backend| backend.standing(now))?;
        self.backends.get(place)
    }

    /// Tells how a call to a backend ended. It is ejected if it failed too often, unless too many are.
    pub fn report(&self, backend: &Arc<Backend>, now: Instant, outcome: Outcome) {
        let Some(reason) = backend.report(now, outcome) else { return };
        let key = crate::net::resilience::pick::Endpoint::key(backend);
        let group = self.group(now);
        match self.ejections().eject(key, now, group) {
            Ok(until) => {
                backend.eject(until);
                let time = until.saturating_duration_since(now);
                tracing::warn!(upstream = %self.name, backend = %backend.name(), reason = reason.name(), ?time, "ejected");
            }
            Err(spared) => {
                tracing::debug!(upstream = %self.name, backend = %backend.name(), reason = reason.name(), %spared, "not ejected");
                return;
            }
        }
        self.refresh(now);
    }

    /// Decides anew which pool is used: when a backend came, went, or changed its condition.
    pub fn refresh(&self, now: Instant) {
        let before = self.pools.plan();
        let plan = self.pools.refresh(&self.backends, |backend| backend.standing(now));
        if plan == before {
            return;
        }
        match plan {
            Plan::Use(0) => tracing::info!(upstream = %self.name, "the first pool is used"),
            Plan::Use(pool) => tracing::warn!(upstream = %self.name, pool, "a backup pool is used"),
            Plan::Panic(pool) => {
                tracing::error!(upstream = %self.name, pool, "too few backends are available: all of them are used");
            }
            Plan::Nobody => tracing::error!(upstream = %self.name, "no backend takes calls"),
        }
    }

    fn group(&self, now: Instant) -> Group {
        let mut group = Group { members: 0, available: 0 };
        for backend in &self.backends {
            let standing = backend.standing(now);
            group.members += usize::from(standing != Standing::Leaving);
            group.available += usize::from(standing == Standing::Available);
        }
        group
    }

    fn ejections(&self) -> MutexGuard<'_, Ejections> {
        self.ejections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::backend::{self, Admin};
    use super::*;

    fn backends(now: Instant, priorities: &[u32]) -> Vec<Arc<Backend>> {
        let made = priorities.iter().enumerate().map(|(number, priority)| {
            let target = format!("127.0.0.1:{}", 9000 + number).parse().unwrap();
            let setup = backend::Setup { priority: *priority, ..backend::Setup::new(target) };
            Arc::new(Backend::new(setup, now, 0.5))
        });
        made.collect()
    }

    fn chosen(upstream: &Upstream, now: Instant) -> Vec<usize> {
        let mut count = vec![0; upstream.backends().len()];
        for key in 0..1000 {
            let found = upstream.choose(key, &[], now).unwrap();
            let place = upstream.backends().iter().position(|backend| Arc::ptr_eq(backend, found)).unwrap();
            count[place] += 1;
        }
        count
    }

    #[test]
    fn a_backend_that_fails_is_left_alone_and_comes_back() {
        let now = Instant::now();
        let upstream = Upstream::new("web", backends(now, &[0, 0, 0]), Settings::default(), now);
        let first = Arc::clone(&upstream.backends()[0]);
        for _ in 0..upstream.settings().outlier.faults {
            assert!(!first.is_ejected(now));
            upstream.report(&first, now, Outcome::Fault);
        }
        assert!(first.is_ejected(now));
        assert_eq!(chosen(&upstream, now)[0], 0);
        let later = now + upstream.settings().outlier.time + Duration::from_millis(2);
        upstream.refresh(later);
        assert!(chosen(&upstream, later)[0] > 0);
    }

    #[test]
    fn a_backup_waits_until_the_others_leave() {
        let now = Instant::now();
        let upstream = Upstream::new("web", backends(now, &[1, 0]), Settings::default(), now);
        assert_eq!(upstream.backends()[1].name().as_ref(), "127.0.0.1:9000", "in the order of priority");
        assert_eq!(chosen(&upstream, now), [1000, 0]);
        upstream.backends()[0].set_admin(Admin::Drain);
        upstream.refresh(now);
        assert_eq!(chosen(&upstream, now), [0, 1000]);
    }

    #[test]
    fn without_backends_nobody_is_chosen() {
        let now = Instant::now();
        let upstream = Upstream::new("none", Vec::new(), Settings::default(), now);
        assert!(upstream.choose(0, &[], now).is_none());
        let upstream = Upstream::new("one", backends(now, &[0]), Settings::default(), now);
        upstream.backends()[0].set_admin(Admin::Drain);
        upstream.refresh(now);
        assert!(upstream.choose(0, &[], now).is_none(), "who drains gets nothing new");
    }
}

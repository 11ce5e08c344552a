//! Sparing the hosts that messages are sent to: so many at once, and none for a while if the host asks for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::proto::chat::id::Millis;

/// Messages that are sent to a host at once, at most.
pub(super) const AT_ONCE: usize = 16;

/// Hosts that are remembered, about: those where nothing is known are forgotten beyond that.
const HOSTS: usize = 1000;

/// How long a message waits that finds its host busy, at least.
const BUSY: Millis = 1000;

/// The hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts(Arc<Mutex<HashMap<String, Host>>>);

#[derive(Debug, Default)]
struct Host {
    underway: usize,
    /// It wants nothing before this time.
    until: Millis,
}

/// A place at a host, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    hosts: Arc<Mutex<HashMap<String, Host>>>,
    host: String,
}

fn lock(hosts: &Mutex<HashMap<String, Host>>) -> MutexGuard<'_, HashMap<String, Host>> {
    hosts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hosts {
    /// A place at a host, or when to ask again.
    pub(super) fn enter(&self, host: &str, now: Millis) -> Result<Place, Millis> {
        let mut hosts = lock(&self.0);
        if hosts.len() >= HOSTS {
            hosts.retain(|_, host| host.underway > 0 || host.until > now);
        }
        let known = hosts.entry(host.to_owned()).or_default();
        if known.until > now {
            return Err(known.until);
        }
        if known.underway >= AT_ONCE {
            // Not all of them at the same time.
            return Err(now + BUSY + fastrand::u64(0..BUSY));
        }
        known.underway += 1;
        Ok(Place { hosts: Arc::clone(&self.0), host: host.to_owned() })
    }

    /// A host wants nothing before this time.
    pub(super) fn pause(&self, host: &str, until: Millis) {
        let mut hosts = lock(&self.0);
        if let Some(host) = hosts.get_mut(host) {
            host.until = host.until.max(until);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(host) = lock(&self.hosts).get_mut(&self.host) {
            host.underway = host.underway.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_so_many_places() {
        let hosts = Hosts::default();
        let mut places: Vec<Place> = (0..AT_ONCE).map(|_| hosts.enter("a", 10).unwrap()).collect();
        let again = hosts.enter("a", 10).unwrap_err();
        assert!((10 + BUSY..10 + 2 * BUSY).contains(&again));
        hosts.enter("b", 10).unwrap();
        places.pop();
        hosts.enter("a", 10).unwrap();
    }

    #[test]
    fn a_host_is_left_alone_as_long_as_it_asks() {
        let hosts = Hosts::default();
        drop(hosts.enter("a", 10).unwrap());
        hosts.pause("a", 500);
        hosts.pause("a", 300);
        assert_eq!(hosts.enter("a", 499).unwrap_err(), 500);
        hosts.enter("a", 500).unwrap();
    }

    #[test]
    fn hosts_are_forgotten() {
        let hosts = Hosts::default();
        for number in 0..3 * HOSTS {
            drop(hosts.enter(&number.to_string(), 0).unwrap());
        }
        assert!(lock(&hosts.0).len() <= HOSTS);
    }
}

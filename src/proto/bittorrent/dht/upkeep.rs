//! What is to be done with time: the table is kept alive, announces are repeated, what is old is forgotten.

use std::time::{Duration, Instant};

use super::Dht;
use super::search::Aim;

/// How often is looked what there is to do.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often peers are looked through for those that are old.
const EXPIRE: Duration = Duration::from_secs(60);

/// Nodes of a family that are pinged at a time: a table of 160 is through before its nodes are questionable again.
const PINGS: usize = 2;

impl Dht {
    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.transactions.deadline().map_or(self.upkeep, |deadline| deadline.min(self.upkeep))
    }

    /// Time has gone by.
    pub fn poll(&mut self, now: Instant) {
        self.time_out(now);
        if now < self.upkeep {
            return;
        }
        self.upkeep = now + UPKEEP;
        self.tokens.poll(now, &mut self.secrets);
        if now >= self.expire {
            self.expire = now + EXPIRE;
            self.store.expire(now);
        }
        self.tend_tables(now);
        if self.bootstrap.is_some_and(|at| at <= now) && !self.is_bootstrapping() {
            self.bootstrap = None;
            self.begin(now, Aim::Bootstrap);
        }
        self.queue_announces(now);
        self.begin_waiting(now);
        // Searches that found no room for a query.
        let searches: Vec<u32> = self.searches.keys().copied().collect();
        searches.into_iter().for_each(|key| self.drive(now, key));
        self.wake_early();
    }

    /// Nodes that are questionable are pinged, and buckets that are stale refreshed, one at a time.
    fn tend_tables(&mut self, now: Instant) {
        let mut pings = Vec::new();
        let mut stale = Vec::new();
        let is_refreshing = self.searches.values().any(|search| matches!(search.aim, Aim::Refresh(..)));
        for (family, network) in &mut self.networks {
            pings.extend(std::iter::from_fn(|| network.table.ping_next(now)).take(PINGS));
            if !is_refreshing && network.table.len(now) > 0 {
                stale.extend(
                    network
                        .table
                        .refresh_next(now, &mut self.random)
                        .map(|target| Aim::Refresh(*family, target)),
                );
            }
        }
        pings.into_iter().for_each(|contact| self.ping(now, contact.addr));
        stale.into_iter().for_each(|aim| self.begin(now, aim));
    }

    /// Upkeep comes earlier if something is due before.
    fn wake_early(&mut self) {
        let bootstrap = self.bootstrap.filter(|_| !self.is_bootstrapping());
        let next = bootstrap.into_iter().chain(self.due.first().map(|(due, _)| *due)).min();
        self.upkeep = next.map_or(self.upkeep, |next| next.min(self.upkeep));
    }
}

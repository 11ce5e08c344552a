//! What there is of each family: our id and table, the measure of round trips, and where to begin.

use std::net::SocketAddr;
use std::time::Instant;

use super::contact::Contact;
use super::id;
use super::lookup::Lookup;
use super::rtt::Rtt;
use super::saved;
use super::scope::Scope;
use super::table::{K, Standing, Table};
use super::votes::Votes;
use crate::proto::bittorrent::hash::Sha1;

/// Addresses to begin at, at most.
const ROUTERS: usize = 64;

/// A network of nodes that we are in.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) table: Table,
    pub(super) votes: Votes,
    pub(super) rtt: Rtt,
    /// Addresses to begin at, by the owner's word.
    routers: Vec<SocketAddr>,
    /// Nodes of the time before.
    saved: Vec<Contact>,
}

impl Network {
    pub(super) fn new(own: Sha1, mut saved: Vec<Contact>, scope: Scope, now: Instant) -> Self {
        saved.retain(|contact| scope.takes(contact.addr));
        saved.truncate(saved::NODES);
        let table = Table::new(own, scope, now);
        Self { table, votes: Votes::default(), rtt: Rtt::default(), routers: Vec::new(), saved }
    }

    /// An address to begin at; one that was named last goes first.
    pub(super) fn add_router(&mut self, addr: SocketAddr) {
        self.routers.retain(|router| *router != addr);
        self.routers.insert(0, addr);
        self.routers.truncate(ROUTERS);
    }

    /// Whether there is anybody to ask.
    pub(super) fn can_begin(&self) -> bool {
        !self.routers.is_empty() || !self.saved.is_empty()
    }

    /// A lookup of an id, which begins at the closest nodes that we know.
    pub(super) fn lookup(&mut self, now: Instant, target: Sha1) -> Lookup {
        let mut lookup = Lookup::new(target, self.table.own(), self.table.scope());
        self.table.looked_up(now, target);
        let known = self.table.closest(now, target, Standing::Questionable);
        if known.len() < K {
            self.routers.iter().for_each(|addr| lookup.begin_at(*addr));
            self.table
                .closest(now, target, Standing::Bad)
                .into_iter()
                .for_each(|contact| lookup.add(contact));
            self.saved.sort_by_cached_key(|contact| id::distance(contact.id, target));
            self.saved.iter().for_each(|contact| lookup.add(*contact));
        } else {
            // From now on the table is what is saved.
            self.saved.clear();
        }
        known.into_iter().for_each(|contact| lookup.add(contact));
        lookup
    }

    /// What is to be kept for the next start.
    pub(super) fn save(&self, now: Instant) -> (Sha1, Vec<Contact>) {
        let nodes = self.table.good(now).chain(self.saved.iter().copied());
        (self.table.own(), nodes.take(saved::NODES).collect())
    }
}

//! The routing table: nodes that have answered us, many that are close and some from everywhere (BEP 5, "routing
//! table").
//!
//! A bucket has up to eight nodes. That with our own id in its range is split when it is full; of the others the
//! nodes that are there stay as long as they answer, and those that come later wait to replace one that does not.
//! Nobody is taken who has not answered. An address has one node, and of a network a bucket has one, so that nobody
//! fills a table from one host; nodes with an id of their address (BEP 42) go before others.

mod bucket;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::bucket::{Bucket, Node};
use super::contact::Contact;
use super::id::{self, BITS};
use super::scope::{self, Scope};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::random::Random;

/// Nodes of a bucket, and of an answer: the k of Kademlia.
pub(super) const K: usize = 8;

/// After which a node that is not heard of is questionable, and a bucket in which nothing changes is refreshed.
pub(super) const QUIET: Duration = Duration::from_secs(15 * 60);

/// Queries without an answer, one after the other, that make a node bad.
const FAILURES: u8 = 3;

/// Until a node that has failed is asked again.
const AGAIN: Duration = Duration::from_secs(30);

/// What is known of a node (BEP 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It was heard of lately.
    Good,
    /// It was not.
    Questionable,
    /// It does not answer.
    Bad,
}

/// The nodes of a family.
#[derive(Debug)]
pub(super) struct Table {
    own: Sha1,
    scope: Scope,
    /// By how many bits an id shares with ours; the last one has all that share more.
    buckets: Vec<Bucket>,
}

impl Table {
    pub(super) fn new(own: Sha1, scope: Scope, now: Instant) -> Self {
        Self { own, scope, buckets: vec![Bucket::new(now)] }
    }

    /// Our id.
    pub(super) fn own(&self) -> Sha1 {
        self.own
    }

    /// Which addresses are taken.
    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.buckets.iter().flat_map(|bucket| &bucket.nodes)
    }

    /// Nodes that are good.
    pub(super) fn good(&self, now: Instant) -> impl Iterator<Item = Contact> {
        self.nodes().filter(move |node| node.standing(now) == Standing::Good).map(|node| node.contact)
    }

    /// How many nodes there are that are not bad.
    pub(super) fn len(&self, now: Instant) -> usize {
        self.nodes().filter(|node| node.standing(now) < Standing::Bad).count()
    }

    /// Up to [`K`] nodes that are closest to an id, and stand no worse than `worst`: the closest one first.
    pub(super) fn closest(&self, now: Instant, target: Sha1, worst: Standing) -> Vec<Contact> {
        let fitting = self.nodes().filter(|node| node.standing(now) <= worst);
        let mut found: Vec<_> =
            fitting.map(|node| (id::distance(node.contact.id, target), node.contact)).collect();
        found.sort_unstable();
        found.into_iter().take(K).map(|(_, contact)| contact).collect()
    }

    fn index(&self, id: Sha1) -> usize {
        id::shared_bits(self.own, id).min(self.buckets.len() - 1)
    }

    /// Whether a node may be in the table at all.
    fn takes(&self, contact: Contact) -> bool {
        contact.id != self.own
            && self.scope.takes(contact.addr)
            && (!self.scope.enforce || id::fits(contact.id, contact.addr.ip()))
    }

    /// A node has answered.
    pub(super) fn answered(&mut self, now: Instant, contact: Contact) {
        if self.takes(contact) && self.is_sole(now, contact) {
            self.place(now, Node::new(contact, now));
        }
    }

    /// Whether a node is alone at its address, or the one that is known there already. One that has another id by
    /// now, and one that is bad, are removed for it.
    fn is_sole(&mut self, now: Instant, contact: Contact) -> bool {
        let shares = self.scope.shares(contact.addr.ip());
        let owner = |addr: SocketAddr| scope::source(addr.ip());
        let mut sole = true;
        let same_place = |other: Contact| other.addr == contact.addr;
        let conflicts = |other: Contact| match same_place(other) {
            true => other.id != contact.id,
            false => other.id == contact.id || !shares && owner(other.addr) == owner(contact.addr),
        };
        for bucket in &mut self.buckets {
            bucket.nodes.retain(|node| {
                let replaced = same_place(node.contact) || node.standing(now) == Standing::Bad;
                let stays = !conflicts(node.contact) || !replaced;
                sole &= !(stays && conflicts(node.contact));
                stays
            });
        }
        if sole {
            self.buckets.iter_mut().for_each(|bucket| bucket.spare.retain(|node| !conflicts(node.contact)));
        }
        sole
    }

    fn place(&mut self, now: Instant, node: Node) {
        loop {
            let index = self.index(node.contact.id);
            let is_last = index + 1 == self.buckets.len();
            let can_split = is_last && self.buckets.len() < BITS;
            let Some(bucket) = self.buckets.get_mut(index) else { return };
            if bucket.place(now, node, self.scope, can_split) {
                return;
            }
            let split = bucket.split(self.own, index, now);
            self.buckets.push(split);
        }
    }

    /// A node has asked something: whether it is worth a ping, as there would be a place for it.
    pub(super) fn queried(&mut self, now: Instant, contact: Contact) -> bool {
        if !self.takes(contact) {
            return false;
        }
        let index = self.index(contact.id);
        let is_last = index + 1 == self.buckets.len();
        let shares = self.scope.shares(contact.addr.ip());
        let owner = scope::source(contact.addr.ip());
        let known = |node: &Node| !shares && scope::source(node.contact.addr.ip()) == owner;
        let Some(bucket) = self.buckets.get_mut(index) else { return false };
        if let Some(node) = bucket.nodes.iter_mut().find(|node| node.contact == contact) {
            node.heard = now;
            return false;
        }
        let has_place = is_last || bucket.nodes.len() < K || bucket.has_bad(now);
        has_place && !self.nodes().any(|node| known(node) || node.contact.addr == contact.addr)
    }

    /// A node has not answered a query. Who waits for its place gets it when it is bad.
    pub(super) fn failed(&mut self, now: Instant, addr: SocketAddr) {
        for bucket in &mut self.buckets {
            if let Some(node) = bucket.nodes.iter_mut().find(|node| node.contact.addr == addr) {
                node.failures = node.failures.saturating_add(1);
                bucket.replace_bad(now, self.scope);
                return;
            }
        }
    }

    /// A node to be pinged: one that is questionable, or has failed. It counts as pinged.
    pub(super) fn ping_next(&mut self, now: Instant) -> Option<Contact> {
        let node =
            self.buckets.iter_mut().flat_map(|bucket| &mut bucket.nodes).find(|node| node.is_due(now))?;
        node.pinged = Some(now);
        Some(node.contact)
    }

    /// An id in a bucket in which nothing has changed for long, to be looked for. It counts as refreshed.
    pub(super) fn refresh_next(&mut self, now: Instant, random: &mut Random) -> Option<Sha1> {
        let is_stale = |bucket: &Bucket| now.saturating_duration_since(bucket.changed) >= QUIET;
        let index = self.buckets.iter().position(is_stale)?;
        let bucket = self.buckets.get_mut(index)?;
        bucket.changed = now;
        let is_last = index + 1 == self.buckets.len();
        let mut bits = [0; 20];
        bits.chunks_mut(8).for_each(|part| {
            part.iter_mut().zip(random.next().to_be_bytes()).for_each(|(to, from)| *to = from);
        });
        let random = Sha1(bits);
        // The last bucket has all that is closer than the others, and we are in it.
        Some(if is_last {
            id::sharing(self.own, BITS - 1, random)
        } else {
            id::sharing(self.own, index, random)
        })
    }

    /// There was a lookup of this id: its bucket needs no refresh.
    pub(super) fn looked_up(&mut self, now: Instant, target: Sha1) {
        let index = self.index(target);
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.changed = now;
        }
    }

    /// We have another id from now on: all nodes find their places anew.
    pub(super) fn rename(&mut self, now: Instant, own: Sha1) {
        let nodes: Vec<Node> = self.nodes().copied().collect();
        *self = Self::new(own, self.scope, now);
        for node in nodes.into_iter().filter(|node| node.contact.id != own) {
            self.place(now, node);
        }
    }
}

#[cfg(test)]
mod tests;

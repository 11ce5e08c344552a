//! A bucket: eight nodes, and those that wait for a place.

use std::time::Instant;

use super::{AGAIN, FAILURES, K, QUIET, Standing};
use crate::proto::bittorrent::dht::contact::Contact;
use crate::proto::bittorrent::dht::id;
use crate::proto::bittorrent::dht::scope::{self, Scope};
use crate::proto::bittorrent::hash::Sha1;

/// A node of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) contact: Contact,
    /// When it last answered, or asked something itself.
    pub(super) heard: Instant,
    /// Queries without an answer since it last answered.
    pub(super) failures: u8,
    pub(super) pinged: Option<Instant>,
    /// Its id is of its address (BEP 42).
    fits: bool,
}

impl Node {
    pub(super) fn new(contact: Contact, now: Instant) -> Self {
        let fits = id::fits(contact.id, contact.addr.ip());
        Self { contact, heard: now, failures: 0, pinged: None, fits }
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.failures {
            FAILURES.. => Standing::Bad,
            0 if now.saturating_duration_since(self.heard) < QUIET => Standing::Good,
            _ => Standing::Questionable,
        }
    }

    /// Whether it is to be pinged.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        match self.standing(now) {
            Standing::Good => false,
            Standing::Questionable => self.pinged.is_none_or(|at| since(at) >= AGAIN),
            // It may come back, as all do after our own network was away.
            Standing::Bad => self.pinged.is_none_or(|at| since(at) >= QUIET),
        }
    }
}

/// Nodes whose ids share a number of bits with ours.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) nodes: Vec<Node>,
    /// Those that wait, [`K`] at most: who came last is the likeliest to be there still.
    pub(super) spare: Vec<Node>,
    /// When a node came, or was looked for.
    pub(super) changed: Instant,
}

impl Bucket {
    pub(super) fn new(now: Instant) -> Self {
        Self { nodes: Vec::new(), spare: Vec::new(), changed: now }
    }

    pub(super) fn has_bad(&self, now: Instant) -> bool {
        self.nodes.iter().any(|node| node.standing(now) == Standing::Bad)
    }

    /// Gives a node that has answered its place, or lets it wait. `false` if the bucket is to be split for it,
    /// which it can.
    pub(super) fn place(&mut self, now: Instant, node: Node, scope: Scope, can_split: bool) -> bool {
        if let Some(known) = self.nodes.iter_mut().find(|known| known.contact == node.contact) {
            *known = node;
            return true;
        }
        self.spare
            .retain(|spare| spare.contact.addr != node.contact.addr && spare.contact.id != node.contact.id);
        if self.is_crowded(&node, scope) {
            return true;
        }
        if self.nodes.len() < K {
            self.nodes.push(node);
        } else if let Some(worse) = self.replaced_by(now, &node, can_split) {
            let old = std::mem::replace(worse, node);
            if old.standing(now) < Standing::Bad {
                self.wait(old);
            }
        } else if can_split {
            return false;
        } else {
            self.wait(node);
            return true;
        }
        self.changed = now;
        true
    }

    /// Whether there is a node of the same network already.
    fn is_crowded(&self, node: &Node, scope: Scope) -> bool {
        let ip = node.contact.addr.ip();
        let network = scope::subnet(ip);
        !scope.shares(ip) && self.nodes.iter().any(|other| scope::subnet(other.contact.addr.ip()) == network)
    }

    /// The node whose place another one gets: one that is bad, or one whose id is of no address, for one whose id is.
    fn replaced_by(&mut self, now: Instant, node: &Node, can_split: bool) -> Option<&mut Node> {
        let is_bad = |other: &Node| other.standing(now) == Standing::Bad;
        let at = self.nodes.iter().position(is_bad).or_else(|| {
            let may = node.fits && !can_split;
            self.nodes.iter().position(|other| may && !other.fits)
        });
        self.nodes.get_mut(at?)
    }

    fn wait(&mut self, node: Node) {
        if self.spare.len() >= K {
            self.spare.remove(0);
        }
        self.spare.push(node);
    }

    /// Gives the places of bad nodes to those who wait, the last one first.
    pub(super) fn replace_bad(&mut self, now: Instant, scope: Scope) {
        while let Some(at) = self.nodes.iter().position(|node| node.standing(now) == Standing::Bad) {
            let Some(spare) = self.spare.iter().rposition(|spare| !self.is_crowded(spare, scope)) else {
                return;
            };
            self.nodes.remove(at);
            self.nodes.push(self.spare.remove(spare));
            self.changed = now;
        }
    }

    /// Keeps those that share no more than `bits` with `own`, and gives the others away as a bucket of their own.
    pub(super) fn split(&mut self, own: Sha1, bits: usize, now: Instant) -> Self {
        let shares_more = |node: &mut Node| id::shared_bits(own, node.contact.id) > bits;
        let nodes = self.nodes.extract_if(.., shares_more).collect();
        let spare = self.spare.extract_if(.., shares_more).collect();
        Self { nodes, spare, changed: now }
    }
}

//! A search: a lookup in each network, for one purpose, and what they have found together.
//!
//! Nodes of one family tell of nodes of the other (BEP 32), so that the lookups help each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::contact::Family;
use super::krpc::{Filters, Method};
use super::lookup::Lookup;
use super::scope::Scope;
use super::{Announce, Event, Scrape, SearchOptions};
use crate::proto::bittorrent::hash::Sha1;

/// Peers that are found in a search at most. A swarm needs no more, and a liar could tell of millions.
const FOUND: usize = 2000;

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// To find those that are close to us.
    Bootstrap,
    /// To know more nodes around an id.
    Refresh(Family, Sha1),
    /// To find peers, and to announce ourselves.
    Peers(Sha1, SearchOptions, Option<Announce>),
    /// To learn of torrents, from nodes that are close to an id.
    Samples(Sha1),
}

impl Aim {
    /// Whether it is for the owner, not for ourselves.
    pub(super) fn is_wanted(self) -> bool {
        matches!(self, Self::Peers(..) | Self::Samples(_))
    }

    /// Whether it is for this torrent.
    pub(super) fn is_for(self, torrent: Sha1) -> bool {
        matches!(self, Self::Peers(info_hash, ..) if info_hash == torrent)
    }

    /// What nodes are asked.
    pub(super) fn method(self, target: Sha1) -> Method {
        match self {
            Self::Bootstrap | Self::Refresh(..) => Method::FindNode { target },
            Self::Peers(info_hash, options, _) => {
                Method::GetPeers { info_hash, scrape: options.scrape, noseed: options.noseed }
            }
            Self::Samples(target) => Method::SampleInfohashes { target },
        }
    }
}

/// A search that is under way.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) aim: Aim,
    pub(super) lookups: BTreeMap<Family, Lookup>,
    found: BTreeSet<SocketAddr>,
    filters: Option<Filters>,
    /// Announces that are awaited, once all are found that are to have one.
    pub(super) awaited: usize,
    /// Nodes that have taken the announce.
    pub(super) taken: usize,
}

impl Search {
    pub(super) fn new(aim: Aim, lookups: BTreeMap<Family, Lookup>) -> Self {
        Self { aim, lookups, found: BTreeSet::new(), filters: None, awaited: 0, taken: 0 }
    }

    /// Whether all lookups have come to their end.
    pub(super) fn is_done(&self) -> bool {
        self.lookups.values().all(Lookup::is_done)
    }

    /// Nodes that have answered.
    pub(super) fn answers(&self) -> usize {
        self.lookups.values().map(Lookup::answers).sum()
    }

    /// Peers that were found: how many.
    pub(super) fn peers(&self) -> usize {
        self.found.len()
    }

    /// Peers that a node tells of: those that are new, and can be such.
    pub(super) fn find(
        &mut self,
        scope: Scope,
        info_hash: Sha1,
        mut peers: Vec<SocketAddr>,
    ) -> Option<Event> {
        peers.retain(|peer| scope.takes(*peer) && self.found.len() < FOUND && self.found.insert(*peer));
        (!peers.is_empty()).then_some(Event::Peers { info_hash, peers })
    }

    /// Peers that a node has counted.
    pub(super) fn count(&mut self, filters: &Filters) {
        let all = self.filters.get_or_insert_default();
        all.seeds.unite(&filters.seeds);
        all.peers.unite(&filters.peers);
    }

    /// Peers that all nodes together have counted.
    pub(super) fn scrape(&self) -> Option<Scrape> {
        let filters = self.filters.as_ref()?;
        Some(Scrape { seeds: filters.seeds.estimate(), peers: filters.peers.estimate() })
    }
}
